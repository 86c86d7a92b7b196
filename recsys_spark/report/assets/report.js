(function () {
  "use strict";
  var root = document.documentElement;
  var data = JSON.parse(document.getElementById("report-data").textContent);
  var drawn = {}, paper = false;
  var quiet = { displayModeBar: false, responsive: true, doubleClick: "reset" };

  function css(name) { return getComputedStyle(root).getPropertyValue(name).trim(); }

  function mixed(low, high, share) {
    function parts(hex) { return [1, 3, 5].map(function (at) { return parseInt(hex.slice(at, at + 2), 16); }); }
    var a = parts(low), b = parts(high);
    return "rgb(" + a.map(function (v, n) { return Math.round(v + (b[n] - v) * share); }).join(",") + ")";
  }

  function ramp() {
    var low = css("--low"), high = css("--high");
    return [0, 0.05, 0.2, 0.5, 1].map(function (at) { return [at, mixed(low, high, Math.sqrt(at))]; });
  }

  // names of colours become the colours of the scheme that is shown
  function coloured(value) {
    if (value === "density") { return ramp(); }
    if (typeof value === "string" && value.slice(0, 2) === "--") { return css(value); }
    if (Array.isArray(value)) { return value.map(coloured); }
    if (value && typeof value === "object") {
      var made = {};
      Object.keys(value).forEach(function (key) { made[key] = coloured(value[key]); });
      return made;
    }
    return value;
  }

  function axis(given) {
    var own = {
      gridcolor: css("--grid"), linecolor: css("--line"), zeroline: false, tickfont: { color: css("--muted") },
      automargin: true, fixedrange: true
    };
    Object.keys(given || {}).forEach(function (key) { own[key] = given[key]; });
    if (typeof own.title === "string") {
      own.title = { text: own.title, font: { color: css("--muted"), size: 12 }, standoff: 8 };
    }
    return own;
  }

  function layout(given, height) {
    var own = {
      height: height, margin: { l: 10, r: 12, t: 8, b: 8 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: css("--text") }, showlegend: false,
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { color: css("--text") } },
      hoverlabel: { bgcolor: css("--card"), bordercolor: css("--line"), font: { color: css("--text"), size: 13 }, align: "left" }
    };
    Object.keys(given).forEach(function (key) { own[key] = coloured(given[key]); });
    own.xaxis = axis(own.xaxis);
    own.yaxis = axis(own.yaxis);
    return own;
  }

  function draw(name) {
    var place = document.getElementById("plot-" + name), chart = data.charts[name];
    drawn[name] = true;
    var made = layout(chart.layout, chart.height);
    // a sheet is narrower than a screen, and is laid out when nobody can be asked how wide it is
    if (paper) { made.width = place.closest(".lone") ? 660 : 315; }
    Plotly.react(place, coloured(chart.data), made, quiet);
  }

  var places = Array.prototype.slice.call(document.querySelectorAll("[data-chart]"));
  var waiting = new IntersectionObserver(function (seen) {
    seen.forEach(function (one) {
      if (one.isIntersecting) { waiting.unobserve(one.target); draw(one.target.dataset.chart); }
    });
  }, { rootMargin: "300px" });
  places.forEach(function (place) { waiting.observe(place); });

  document.querySelectorAll("[data-log]").forEach(function (button) {
    button.addEventListener("click", function () {
      var name = button.dataset.log, log = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(log));
      data.charts[name].layout.yaxis.type = log ? "log" : "linear";
      draw(name);
    });
  });

  var scheme = document.getElementById("scheme");
  function show(dark) {
    root.dataset.scheme = dark ? "dark" : "light";
    scheme.setAttribute("aria-pressed", String(dark));
    Object.keys(drawn).forEach(draw);
    if (map) { map.draw(); }
  }
  scheme.setAttribute("aria-pressed", String(root.dataset.scheme === "dark"));
  scheme.addEventListener("click", function () { show(root.dataset.scheme !== "dark"); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function (change) { show(change.matches); });
  var before = null;
  window.addEventListener("beforeprint", function () {
    before = root.dataset.scheme;
    paper = true;
    places.forEach(function (place) { drawn[place.dataset.chart] = true; });
    show(false);
  });
  window.addEventListener("afterprint", function () {
    paper = false;
    if (before) { show(before === "dark"); }
  });

  var map = data.map ? itemMap(data.map) : null;

  function numbers(text) {
    var bytes = Uint8Array.from(atob(text), function (letter) { return letter.charCodeAt(0); });
    return new Int32Array(bytes.buffer);
  }

  function itemMap(known) {
    var n = known.ids.length, chosen = 0;
    var place = document.getElementById("plot-map"), which = document.getElementById("layout");
    var colour = document.getElementById("colour"), legend = document.getElementById("legend");
    var panel = document.getElementById("item");
    var nearest = numbers(known.nearest), bins = numbers(known.histogram);
    var each = nearest.length / n, wide = bins.length / n;
    var labels = known.ids.map(function (id, at) { return known.titles[at] || String(id); });
    var plain = labels.map(folded);
    var columns = { "Number of ratings": { kind: "number", log: true, values: known.ratings } };
    if (known.means.some(function (mean) { return mean !== null; })) {
      columns["Mean rating"] = { kind: "number", values: known.means };
    }
    Object.keys(known.columns).forEach(function (name) { columns[name] = known.columns[name]; });
    for (var at = 1; at < n; at++) { if (known.ratings[at] > known.ratings[chosen]) { chosen = at; } }

    function folded(text) { return text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase(); }
    // Plotly reads some tags in its texts; titles are shown as they are
    function shown(text) { return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;"); }
    function option(select, value, text) {
      var made = document.createElement("option");
      made.value = value;
      made.textContent = text;
      select.appendChild(made);
    }
    function element(kind, text, inside) {
      var made = document.createElement(kind);
      if (text !== null) { made.textContent = text; }
      if (inside) { inside.appendChild(made); }
      return made;
    }

    known.maps.forEach(function (one, at) { option(which, at, one.name); });
    Object.keys(columns).forEach(function (name) {
      if (columns[name].kind !== "text") { option(colour, name, name); }
    });

    function painted() {
      var column = columns[colour.value];
      legend.textContent = "";
      if (column.kind === "category") {
        var names = column.names, shades = names.map(function (_, at) { return css("--c" + (at + 1)); });
        names.forEach(function (name, at) {
          var line = element("li", null, legend), dot = element("i", null, line);
          dot.style.background = shades[at];
          line.appendChild(document.createTextNode(name));
        });
        return column.codes.map(function (code) { return code < 0 ? css("--line") : shades[code]; });
      }
      var there = column.values.filter(function (value) { return value !== null && (!column.log || value > 0); });
      var bent = column.log ? Math.log : function (value) { return value; };
      var sorted = Float64Array.from(there).sort();
      // a few far values must not leave one colour to all others
      var low = sorted[Math.floor(sorted.length * 0.01)], high = sorted[Math.ceil(sorted.length * 0.99) - 1];
      var from = css("--low-point"), to = css("--high");
      var line = element("li", null, legend);
      line.appendChild(document.createTextNode(rounded(low)));
      var strip = element("i", null, line);
      strip.className = "ramp";
      strip.style.background = "linear-gradient(90deg," + from + "," + to + ")";
      line.appendChild(document.createTextNode(rounded(high)));
      return column.values.map(function (value) {
        if (value === null || (column.log && value <= 0)) { return css("--line"); }
        var share = (bent(value) - bent(low)) / ((bent(high) - bent(low)) || 1);
        return mixed(from, to, Math.max(0, Math.min(1, share)));
      });
    }

    function rounded(value) {
      if (value === undefined || value === null) { return "–"; }
      return Number(value.toPrecision(4)).toLocaleString("en", { useGrouping: Math.abs(value) >= 10000 });
    }

    function told(at) {
      var lines = ["<b>" + shown(labels[at]) + "</b>", known.ratings[at].toLocaleString("en") + " ratings" +
        (known.means[at] === null ? "" : ", mean " + known.means[at].toFixed(2))];
      Object.keys(known.columns).forEach(function (name) {
        var value = known.columns[name].values[at];
        if (value !== null) { lines.push(shown(name + ": " + String(value)).slice(0, 90)); }
      });
      return lines.join("<br>");
    }
    var hovers = labels.map(function (_, at) { return told(at); });

    var ranges = null;
    function draw() {
      var one = known.maps[Number(which.value)];
      var points = {
        type: "scatter", mode: "markers", x: one.x, y: one.y, text: hovers, hovertemplate: "%{text}<extra></extra>",
        marker: { size: n > 3000 ? 4.5 : 7, color: painted(), opacity: 0.85, line: { width: 0 } }
      };
      var ring = {
        type: "scatter", mode: "markers", x: [one.x[chosen]], y: [one.y[chosen]], hoverinfo: "skip",
        marker: { size: 17, symbol: "circle-open", color: css("--focus"), line: { width: 3 } }
      };
      var bare = { showgrid: false, showline: false, zeroline: false, showticklabels: false, fixedrange: false };
      var given = { xaxis: Object.assign({}, bare), yaxis: Object.assign({}, bare), dragmode: "pan", hovermode: "closest", uirevision: which.value };
      if (ranges) { given.xaxis.range = ranges[0]; given.yaxis.range = ranges[1]; }
      var height = window.innerWidth < 860 ? 420 : 600;
      place.style.height = height + "px";
      Plotly.react(place, [points, ring], layout(given, height), quiet).then(function () {
        if (!place.dataset.listens) {
          place.dataset.listens = "yes";
          place.on("plotly_click", function (click) { if (click.points[0].curveNumber === 0) { choose(click.points[0].pointNumber); } });
          place.on("plotly_relayout", function () {
            ranges = [place.layout.xaxis.range.slice(), place.layout.yaxis.range.slice()];
          });
        }
      });
      drawItem();
    }

    function drawItem() {
      panel.textContent = "";
      element("h3", labels[chosen], panel);
      var list = element("dl", null, panel);
      function pair(name, value) { element("dt", name, list); element("dd", value, list); }
      if (known.titles[chosen]) { pair("Id", String(known.ids[chosen])); }
      pair("Ratings", known.ratings[chosen].toLocaleString("en"));
      if (known.means[chosen] !== null) { pair("Mean", known.means[chosen].toFixed(2)); }
      Object.keys(known.columns).forEach(function (name) {
        var value = known.columns[name].values[chosen];
        if (value !== null) { pair(name, String(value)); }
      });
      element("h4", "Most similar, by " + known.measure, panel);
      var alike = element("ol", null, panel);
      for (var k = 0; k < each; k++) {
        (function (other, similarity) {
          var button = element("button", null, element("li", null, alike));
          button.type = "button";
          element("span", labels[other], button);
          element("span", similarity.toFixed(3), button);
          button.addEventListener("click", function () { choose(other); });
        })(nearest[chosen * each + k], known.similarity[chosen * each + k] / 1000);
      }
      element("h4", "Similarity to all items of the map", panel);
      var strip = element("div", null, panel);
      strip.setAttribute("aria-hidden", "true");
      var counts = Array.prototype.slice.call(bins, chosen * wide, (chosen + 1) * wide);
      var middles = counts.map(function (_, at) { return -1 + (2 * at + 1) / wide; });
      var trace = { type: "bar", x: middles, y: counts, marker: { color: css("--c1") }, hovertemplate: "about %{x:.2f}: %{y} items<extra></extra>" };
      Plotly.newPlot(strip, [trace], layout({ xaxis: { range: [-1, 1], dtick: 0.5 }, yaxis: { showticklabels: false }, bargap: 0.05 }, 120), quiet);
    }

    function choose(at) {
      chosen = at;
      draw();
    }

    function zoom(by) {
      var update = {};
      ["xaxis", "yaxis"].forEach(function (name) {
        var range = place.layout[name].range, middle = (range[0] + range[1]) / 2, half = (range[1] - range[0]) / 2 * by;
        var centre = by < 1 ? known.maps[Number(which.value)][name[0]][chosen] : middle;
        update[name + ".range"] = [centre - half, centre + half];
      });
      Plotly.relayout(place, update);
    }
    document.getElementById("closer").addEventListener("click", function () { zoom(0.6); });
    document.getElementById("farther").addEventListener("click", function () { zoom(1 / 0.6); });
    document.getElementById("whole").addEventListener("click", function () {
      ranges = null;
      Plotly.relayout(place, { "xaxis.autorange": true, "yaxis.autorange": true });
    });
    which.addEventListener("change", function () { ranges = null; draw(); });
    colour.addEventListener("change", draw);

    var input = document.getElementById("find"), found = document.getElementById("found"), marked = -1, hits = [];
    function close() {
      found.hidden = true;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
      marked = -1;
    }
    function mark(at) {
      marked = at;
      Array.prototype.forEach.call(found.children, function (line, n) { line.setAttribute("aria-selected", String(n === at)); });
      if (at >= 0) {
        input.setAttribute("aria-activedescendant", found.children[at].id);
        found.children[at].scrollIntoView({ block: "nearest" });
      }
    }
    function take(at) {
      input.value = labels[hits[at]];
      choose(hits[at]);
      close();
    }
    input.addEventListener("input", function () {
      var asked = folded(input.value.trim());
      found.textContent = "";
      hits = [];
      if (!asked) { close(); return; }
      var begins = [], within = [];
      plain.forEach(function (text, at) {
        var where = text.indexOf(asked);
        if (where === 0 || String(known.ids[at]) === input.value.trim()) { begins.push(at); } else if (where > 0) { within.push(at); }
      });
      function popular(a, b) { return known.ratings[b] - known.ratings[a]; }
      hits = begins.sort(popular).concat(within.sort(popular)).slice(0, 12);
      hits.forEach(function (at, n) {
        var line = element("li", labels[at], found);
        line.id = "found-" + n;
        line.setAttribute("role", "option");
        line.setAttribute("aria-selected", "false");
        line.addEventListener("mousedown", function (press) { press.preventDefault(); take(n); });
      });
      if (!hits.length) {
        var none = element("li", "No item of the map has that in its title", found);
        none.setAttribute("role", "option");
        none.setAttribute("aria-selected", "false");
        none.setAttribute("aria-disabled", "true");
      }
      found.hidden = false;
      input.setAttribute("aria-expanded", "true");
      mark(hits.length ? 0 : -1);
    });
    input.addEventListener("keydown", function (key) {
      if (key.key === "Escape") { close(); }
      if (found.hidden || !hits.length) { return; }
      if (key.key === "ArrowDown") { key.preventDefault(); mark((marked + 1) % hits.length); }
      if (key.key === "ArrowUp") { key.preventDefault(); mark((marked + hits.length - 1) % hits.length); }
      if (key.key === "Enter" && marked >= 0) { key.preventDefault(); take(marked); }
    });
    input.addEventListener("blur", close);

    var arrived = new IntersectionObserver(function (seen) {
      if (seen.some(function (one) { return one.isIntersecting; })) { arrived.disconnect(); ready = true; draw(); }
    }, { rootMargin: "300px" });
    var ready = false;
    arrived.observe(place);
    return { draw: function () { if (ready) { draw(); } } };
  }
})();
