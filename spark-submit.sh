#!/usr/bin/env bash
# Starts a job of jobs/ on Spark, after setting up what is missing for it. `./spark-submit.sh --help` tells the usage.
#
# The parts follow the order of a start: read the command line, find Java, make the virtual environment, fetch Delta's
# jars and the drivers of databases, pack the package, hand over to the real spark-submit. A warm start only compares:
# it runs neither Python nor Java before that hand-over. Everything made here lies in .venv/ and .cache/ of the project.
# It runs in bash 3.2 too.
set -euo pipefail

# Delta's modules for this Spark: the names carry the versions of Spark and Scala. Nowhere else are they written.
readonly delta_group=io.delta delta_modules="delta-spark_4.2_2.13 delta-storage" delta_version=4.4.0
# The drivers of databases, fetched once a configuration names such a database.
readonly postgresql_driver=org.postgresql:postgresql:42.7.8 mariadb_driver=org.mariadb.jdbc:mariadb-java-client:3.5.6
readonly oldest_java=17 oldest_python=11 newest_python=13 # Python 3.x, as `requires-python` in pyproject.toml
# A local Spark does all its work inside the driver, for which Spark's own default of 1g is tight.
readonly local_driver_memory=2g

script=${BASH_SOURCE[0]}
while [[ -L $script ]]; do
    link=$(readlink "$script")
    case $link in /*) script=$link ;; *) script=${script%/*}/$link ;; esac
done
project=$(cd -- "$(dirname -- "$script")" && pwd -P)
readonly project venv=$project/.venv cache=$project/.cache

# ---------------------------------------------------------------------------------------------------------- messages

usage() {
    cat <<USAGE
Usage: ./spark-submit.sh [spark options] JOB [job options]
       ./spark-submit.sh --setup [extras]      only set up; extras: gpu, dev, bench, ... with commas between them
       ./spark-submit.sh --setup-java          install Java into .cache/java, for this project alone

JOB is one of: $(job_names)
Job options:   [--config FILE] [--set key=value]... [--as-of DATE] [--from STAGE] [--replace] [--dry-run]
Spark options stand before JOB and go to Spark as they are; --jars, --packages and --py-files are merged with ours.
--dry-run needs neither Java nor Spark's start: it checks the configuration, the inputs and the output.

Environment: RECSYS_EXTRAS=gpu             also install this extra (gpu: TensorFlow with CUDA instead of the CPU build)
             RECSYS_PYTHON=PATH            use this Python and its packages as they are, make no .venv
             RECSYS_BOOTSTRAP_PYTHON=PATH  the Python that .venv is made with
             RECSYS_DELTA_JARS=A.jar,B.jar local copies of Delta's jars, fetch none
             RECSYS_DRIVERS=postgresql,mariadb also fetch these databases' drivers, whether or not a URL names them
             RECSYS_IVY_SETTINGS=FILE      Ivy settings that name a mirror to fetch the jars from
             RECSYS_SPARK_SUBMIT=PATH      another spark-submit, such as the one of a cluster's own Spark
             SPARK_REMOTE=sc://HOST:PORT   a Spark Connect server, as --remote (docs/connect.md)
USAGE
}

job_names() {
    local file names=""
    for file in "$project"/jobs/[a-z]*.py; do
        [[ -e $file ]] || continue
        file=${file##*/}
        names="$names${names:+, }${file%.py}"
    done
    printf '%s' "${names:-(jobs/ holds none)}"
}

progress() {
    printf 'spark-submit.sh: %s\n' "$*" >&2
}

# stop EXIT_CODE STATUS CODE MESSAGE HINT: one line for people on stderr, the summary for programs on stdout.
stop() {
    progress "$4. $5"
    printf '{"run_id": null, "job": null, "as_of": null, "status": "%s", "tables": {}, "catalog": {}, "counts": {}, "metrics": {}, "audit": {}, "warnings": [], ' "$2"
    printf '"seconds": {}, "model_id": null, "answers": null, "error": {"code": "%s", "message": "%s", "hint": "%s"}}\n' \
        "$3" "$(json_escaped "$4")" "$(json_escaped "$5")"
    exit "$1"
}

json_escaped() {
    printf '%s' "$1" | tr '\000-\037' ' ' | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g'
}

wrong_usage() {
    usage >&2
    stop 2 invalid usage "$1" "${2:-The usage stands above; ./spark-submit.sh --help shows it again.}"
}

# install_command java|python: the command that installs it on this machine.
install_command() {
    local java python release sudo=""
    if [[ $EUID -ne 0 ]] && command -v sudo >/dev/null; then sudo="sudo "; fi
    if command -v apt-get >/dev/null; then
        java="${sudo}apt-get install -y default-jre-headless" python="${sudo}apt-get install -y python3 python3-venv"
        for release in 17 21; do # the default of some older releases is too old
            if apt-cache show openjdk-$release-jre-headless >/dev/null 2>&1; then
                java="${sudo}apt-get install -y openjdk-$release-jre-headless"
            fi
        done
    elif command -v dnf >/dev/null; then
        java="${sudo}dnf install -y java-21-openjdk-headless" python="${sudo}dnf install -y python3.12"
    elif command -v zypper >/dev/null; then
        java="${sudo}zypper install -y java-21-openjdk-headless" python="${sudo}zypper install -y python312"
    elif command -v apk >/dev/null; then
        java="${sudo}apk add openjdk21-jre-headless" python="${sudo}apk add python3"
    elif command -v brew >/dev/null; then
        java="brew install openjdk@21 && export JAVA_HOME=\$(brew --prefix openjdk@21)" python="brew install python@3.12"
    else
        java="your system's package manager (a JRE or JDK, version 17 or 21)"
        python="your system's package manager (Python 3.11 to 3.13 with venv)"
    fi
    if [[ $1 == java ]]; then printf '%s' "$java"; else printf '%s' "$python"; fi
}

# ------------------------------------------------------------------------------------------------------ command line

spark_options=() # the user's, without those that are merged
jars="" packages="" py_files=""
master="" knows_master=no knows_driver_memory=no knows_logging=no
deploy_mode=client executors_python="" knows_drivers_python=no
remote=${SPARK_REMOTE-} # a Spark Connect server; empty: there is none
job=""
job_options=()

read_command_line() {
    local name value
    while (($#)); do
        case $1 in
            -h | --help)
                usage
                exit 0
                ;;
            --config | --config=* | --set | --set=* | --as-of | --as-of=* | --from | --from=* | --replace | --dry-run)
                wrong_usage "${1%%=*} is an option of the job and stands before it" "Write it after JOB."
                ;;
            -v | --verbose | --version | --supervise | --usage-error | --load-spark-defaults)
                spark_options+=("$1")
                shift
                ;;
            --*=*)
                name=${1%%=*} value=${1#*=}
                shift
                read_spark_option "$name" "$value"
                ;;
            -*)
                (($# > 1)) || wrong_usage "the Spark option $1 has no value, and no JOB follows it"
                read_spark_option "$1" "$2"
                shift 2
                ;;
            *)
                read_job "$1"
                shift
                job_options=("$@")
                return
                ;;
        esac
    done
    wrong_usage "JOB is missing"
}

read_spark_option() {
    case $1=$2 in
        --jars=* | --conf=spark.jars=* | -c=spark.jars=*) jars=$(joined "$jars" "${2#spark.jars=}") && return ;;
        --packages=* | --conf=spark.jars.packages=* | -c=spark.jars.packages=*)
            packages=$(joined "$packages" "${2#spark.jars.packages=}") && return
            ;;
        --py-files=* | --conf=spark.submit.pyFiles=* | -c=spark.submit.pyFiles=*)
            py_files=$(joined "$py_files" "${2#spark.submit.pyFiles=}") && return
            ;;
        --master=* | --conf=spark.master=* | -c=spark.master=*)
            knows_master=yes
            master=${2#spark.master=}
            ;;
        --remote=* | --conf=spark.remote=* | -c=spark.remote=*)
            remote=${2#spark.remote=}
            [[ $remote != *[Tt]oken=* ]] ||
                progress "the token in $1 stands in the list of processes for all to see; export SPARK_REMOTE instead"
            return
            ;;
        --deploy-mode=* | --conf=spark.submit.deployMode=* | -c=spark.submit.deployMode=*)
            deploy_mode=${2#spark.submit.deployMode=}
            ;;
        --conf=spark.pyspark.python=* | -c=spark.pyspark.python=*) executors_python=${2#*=} ;;
        --conf=spark.pyspark.driver.python=* | -c=spark.pyspark.driver.python=*) knows_drivers_python=yes ;;
        --driver-memory=* | --conf=spark.driver.memory=* | -c=spark.driver.memory=*) knows_driver_memory=yes ;;
        --properties-file=*) knows_master=yes knows_driver_memory=yes ;; # or may do so: leave both to the file
        --driver-java-options=*log4j* | --conf=spark.driver.*JavaOptions=*log4j* | -c=spark.driver.*JavaOptions=*log4j*)
            knows_logging=yes
            ;;
    esac
    warn_of_secret "$1" "${2%%=*}"
    spark_options+=("$1" "$2")
}

warn_of_secret() { # option, key
    [[ $1 == --conf || $1 == -c ]] || return 0
    [[ $2 =~ [Ss]ecret|[Pp]assw|[Tt]oken|[Aa]ccess[._-]?[Kk]ey|[Aa]ccount[._-]?[Kk]ey|[.]sas[.] ]] || return 0
    progress "the value of $2 stands in the list of processes for all to see; put it into a file for --properties-file"
}

# joined LIST LIST: two lists with commas as one, either of which may be empty.
joined() {
    printf '%s' "$1${1:+${2:+,}}$2"
}

read_job() {
    job=${1#jobs/}
    job=${job%.py}
    if [[ ! $job =~ ^[A-Za-z][A-Za-z0-9_]*$ || ! -f $project/jobs/$job.py ]]; then
        wrong_usage "there is no job '$1'" "JOB is one of: $(job_names)"
    fi
}

has_job_option() { # whether an option of the job matches the pattern
    local option
    for option in ${job_options[@]+"${job_options[@]}"}; do
        # shellcheck disable=SC2053 # $1 is a pattern
        [[ $option == $1 ]] && return
    done
    return 1
}

# -------------------------------------------------------------------------------------------------------------- Java

java="" # the command
readonly own_java=$cache/java/home own_java_version=21

find_java() {
    if [[ -n ${JAVA_HOME-} ]]; then
        java=$JAVA_HOME/bin/java
        [[ -x $java ]] || stop 1 failed java "JAVA_HOME is '$JAVA_HOME', where no bin/java is" \
            "Mend or unset it; $(install_command java) installs a Java"
    elif [[ -x $own_java/bin/java ]]; then
        export JAVA_HOME=$own_java
        java=$own_java/bin/java
    else
        java=$(command -v java) || stop 1 failed java "Spark needs Java $oldest_java or newer, and there is none" \
            "Install it with: $(install_command java), or for this project alone: ./spark-submit.sh --setup-java"
    fi
    local version
    version=$(java_version)
    [[ $version =~ ^[0-9]+$ ]] || stop 1 failed java "'$java' does not say its version" \
        "Install a Java with: $(install_command java)"
    ((version >= oldest_java)) || stop 1 failed java "Spark needs Java $oldest_java or newer, '$java' is Java $version" \
        "Install a newer one with: $(install_command java), or for this project alone: ./spark-submit.sh --setup-java"
}

# Only when it is asked for. The installer reads CJDK_INDEX_URL for a mirror, and the usual variables for a proxy.
setup_java() {
    local home
    progress "installing Java $own_java_version into .cache/java"
    home=$("$python" -I -m cjdk --jdk "temurin-jre:$own_java_version" --cache-dir "$cache/java" --no-progress java-home) ||
        stop 1 failed java "Java could not be installed" \
            "Its reason stands above; Java from elsewhere: $(install_command java)"
    mkdir -p "${own_java%/*}"
    ln -sfn "$home" "$own_java"
    progress "Java $own_java_version is in .cache/java; it goes before that of the system, JAVA_HOME before both"
}

# The major version, from the file `release` beside Java where there is one: starting Java costs a tenth of a second.
java_version() {
    local file home line version=""
    file=$(readlink -f "$java" 2>/dev/null) || file=$java
    home=${file%/bin/java}
    if [[ -r $home/release ]]; then
        while IFS= read -r line; do
            case $line in JAVA_VERSION=*) version=${line#JAVA_VERSION=} ;; esac
        done <"$home/release"
    else
        version=$("$java" -version 2>&1 | sed -n 's/.* version "\([^"]*\)".*/\1/p' | head -n 1)
    fi
    version=${version//\"/}
    version=${version#1.} # Java 8 calls itself 1.8
    printf '%s' "${version%%[!0-9]*}"
}

# ------------------------------------------------------------------------------------------------ Python environment

python=""
readonly stamp=$venv/.recsys-stamp unfinished=$venv/.recsys-unfinished

find_python() {
    if [[ -n ${RECSYS_PYTHON-} ]]; then
        python=$(command -v "$RECSYS_PYTHON") ||
            stop 2 invalid python "RECSYS_PYTHON is '$RECSYS_PYTHON', which cannot be run" \
            "Give the path of a Python whose environment holds the dependencies, or unset it"
        case $python in /*) ;; *) python=$PWD/$python ;; esac
        return
    fi
    python=$venv/bin/python
    environment_is_current && return
    lock
    environment_is_current || set_up_environment # another start may have done it while this one waited
    unlock
}

# The stamp holds the sum of what the environment was made from and its extras, both written last.
environment_is_current() {
    local sum="" extras="" extra
    [[ -x $python && -f $stamp && ! -e $unfinished ]] || return 1
    { read -r sum && read -r extras; } <"$stamp" || true
    [[ $sum == "$(environment_sum)" ]] || return 1
    for extra in $(split_at_commas "${RECSYS_EXTRAS-}"); do
        [[ ,$extras, == *,$extra,* ]] || return 1
    done
}

environment_sum() {
    cat "$project/pyproject.toml" "$project/constraints.txt" | cksum
}

split_at_commas() {
    printf '%s' "${1//,/ }"
}

set_up_environment() {
    local extras requirements=$cache/requirements.txt
    trap 'exit 130' INT TERM # or pip, being interrupted too, would look as if it had merely failed
    extras=$(all_extras)
    make_environment
    required_packages "$extras" >"$requirements" || stop 2 invalid extras "the extras '$extras' cannot be installed" \
        "RECSYS_EXTRAS knows the extras of pyproject.toml only"
    progress "installing the packages of pyproject.toml${extras:+ with $extras} (once, takes a few minutes)"
    : >"$unfinished"
    # Both TensorFlows own the same folder: the one uninstalled later would take the other's files along.
    if [[ ,$extras, == *,gpu,* ]]; then
        "$python" -I -m pip uninstall --quiet --yes tensorflow-cpu >/dev/null 2>&1 || true
    fi
    "$python" -I -m pip install --quiet --no-input --disable-pip-version-check \
        -r "$requirements" -c "$project/constraints.txt" >&2 || {
        # An environment that was whole before stays: a missing network must not cost it.
        [[ ! -f $stamp ]] || rm -f "$unfinished"
        stop 1 failed setup "pip could not install the packages" "Its reason stands above; mend it and start again"
    }
    printf '%s\n%s\n' "$(environment_sum)" "$extras" >"$stamp.new"
    mv "$stamp.new" "$stamp"
    rm -f "$unfinished"
    trap - INT TERM
}

# Only a finished set-up is built upon: pip takes a package that an interrupted one left half for a whole one.
make_environment() {
    if [[ -e $venv ]] && { [[ -e $unfinished ]] || ! suits "$python" pip; }; then
        progress "the environment .venv is incomplete or unfit and made anew"
        rm -rf "$cache/old-venv"
        mv "$venv" "$cache/old-venv"
        rm -rf "$cache/old-venv"
    fi
    [[ ! -e $venv ]] || return 0
    find_bootstrap_python
    progress "making the environment .venv with $bootstrap"
    mkdir -p "$venv"
    : >"$unfinished"
    "$bootstrap" -I -m venv "$venv" >&2 || stop 1 failed setup "$bootstrap cannot make a virtual environment" \
        "Install a Python that can with: $(install_command python)"
}

# The extras that are installed and those that are wanted now, so that a start without any takes nothing away.
all_extras() {
    local installed=""
    if [[ -f $stamp ]]; then { read -r _ && read -r installed; } <"$stamp" || true; fi
    split_at_commas "$installed,${RECSYS_EXTRAS-}" | tr ' ' '\n' | sed '/^$/d' | LC_ALL=C sort -u | paste -s -d , -
}

bootstrap=""

find_bootstrap_python() {
    local candidate
    for candidate in "${RECSYS_BOOTSTRAP_PYTHON:-python3.13}" python3.12 python3.11 python3 python; do
        if suits "$candidate" ensurepip; then
            bootstrap=$(command -v "$candidate")
            return
        fi
        [[ -z ${RECSYS_BOOTSTRAP_PYTHON-} ]] || break
    done
    stop 1 failed python \
        "no Python 3.$oldest_python to 3.$newest_python with venv${RECSYS_BOOTSTRAP_PYTHON:+ in RECSYS_BOOTSTRAP_PYTHON}" \
        "Install one with: $(install_command python)"
}

# suits PYTHON MODULE: whether it runs (a pyenv shim may not), has the module, and is of a version that we support.
suits() {
    "$1" -I -c "import sys, $2; sys.exit(not (3, $oldest_python) <= sys.version_info[:2] <= (3, $newest_python))" \
        >/dev/null 2>&1
}

# The dependencies only: our own package is never installed, it travels with each job as on a cluster.
required_packages() {
    "$python" -I - "$project/pyproject.toml" "$1" <<'PYTHON'
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
extras = [extra for extra in sys.argv[2].split(",") if extra]
optional = project.get("optional-dependencies", {})
unknown = [extra for extra in extras if extra not in optional]
if unknown:
    sys.exit(f"no extra {', '.join(unknown)} in pyproject.toml, which has: {', '.join(optional)}")
required = project["dependencies"]
if "gpu" in extras:  # brings a TensorFlow of its own
    required = [line for line in required if not line.startswith("tensorflow")]
print("\n".join([*required, *(line for extra in extras for line in optional[extra])]))
PYTHON
}

# One set-up at a time. The kernel lets go of a flock when its holder dies; where there is no flock, a folder serves
# and the number of its holder's process tells whether it is still alive.
lock() {
    mkdir -p "$cache"
    if command -v flock >/dev/null; then
        exec 9>"$cache/setup.lock"
        flock -n 9 || { progress "another start is setting up, waiting for it" && flock 9; }
        return
    fi
    local holder told=no
    until mkdir "$cache/setup.lock.d" 2>/dev/null; do
        holder=$(cat "$cache/setup.lock.d/pid" 2>/dev/null) || holder=""
        if [[ -n $holder ]] && ! kill -0 "$holder" 2>/dev/null; then
            rm -rf "$cache/setup.lock.d"
            continue
        fi
        [[ $told == yes ]] || progress "another start is setting up, waiting for it (its lock: .cache/setup.lock.d)"
        told=yes
        sleep 1
    done
    echo $$ >"$cache/setup.lock.d/pid"
    trap 'rm -rf "$cache/setup.lock.d"' EXIT
}

unlock() {
    if command -v flock >/dev/null; then
        exec 9>&-
    else
        rm -rf "$cache/setup.lock.d"
        trap - EXIT
    fi
}

# ------------------------------------------------------------------------------------------------------ Delta's jars

delta_jars=""

find_delta_jars() {
    local jar module
    if [[ -n ${RECSYS_DELTA_JARS-} ]]; then
        while IFS= read -r jar; do
            [[ -f $jar ]] || stop 2 invalid delta_jars "RECSYS_DELTA_JARS names '$jar', which is no file" \
                "Give the paths of the jars ${delta_modules/ / and } $delta_version, with a comma between them"
        done <<<"${RECSYS_DELTA_JARS//,/$'\n'}"
        delta_jars=$RECSYS_DELTA_JARS
        return
    fi
    [[ $jars,$packages != *delta-spark* ]] || return 0 # the user brings Delta along
    if ! delta_jars_are_there; then
        ! has_job_option '*output.format=parquet*' || return 0
        lock
        delta_jars_are_there || fetch_delta_jars
        unlock
    fi
    for module in $delta_modules; do
        delta_jars=$(joined "$delta_jars" "$cache/jars/$module-$delta_version.jar")
    done
}

delta_jars_are_there() {
    local module
    for module in $delta_modules; do
        [[ -f $cache/jars/$module-$delta_version.jar ]] || return 1
    done
}

fetch_delta_jars() {
    progress "fetching Delta's jars (once)"
    # shellcheck disable=SC2086 # two modules
    fetch_jars delta_jars "RECSYS_DELTA_JARS=A.jar,B.jar names local copies, --set output.format=parquet needs none" \
        "$delta_group" "$delta_version" $delta_modules
}

# fetch_jars CODE WITHOUT_NETWORK GROUP VERSION MODULE...: into the cache, all of them or none.
# By the Ivy inside pyspark, with a cache of its own: a half-filled repository in the user's home would make it fail.
fetch_jars() {
    local code=$1 without=$2 group=$3 version=$4 module jar ivy settings=() log=$cache/ivy.log new=$cache/jars.new
    shift 4
    find_spark
    ivy=("$spark_home"/jars/ivy-*.jar)
    [[ -z ${RECSYS_IVY_SETTINGS-} ]] || settings=(-settings "$RECSYS_IVY_SETTINGS")
    rm -rf "$new" "$cache/ivy"
    mkdir -p "$new" "$cache/jars"
    for module; do
        jar=$module-$version.jar
        "$java" -Divy.home="$cache/ivy" -Divy.default.ivy.user.dir="$cache/ivy" -jar "${ivy[0]}" \
            ${settings[@]+"${settings[@]}"} -cache "$cache/ivy" -notransitive -m2compatible \
            -dependency "$group" "$module" "$version" -confs default \
            -retrieve "$new/[artifact]-[revision].[ext]" >"$log" 2>&1 </dev/null || true
        "$python" -I -c 'import sys, zipfile; sys.exit(zipfile.ZipFile(sys.argv[1]).testzip())' "$new/$jar" 2>/dev/null ||
            stop 1 failed "$code" "$group:$module:$version could not be fetched, see .cache/ivy.log" \
                "Without network: $without"
    done
    for module; do mv "$new/$module-$version.jar" "$cache/jars/"; done
    rm -rf "$new" "$cache/ivy" "$log"
}

# ------------------------------------------------------------------------------------------------ drivers of databases

driver_jars=""

# Those of the databases that the options or the configuration files name, but not one that the user brings along.
find_driver_jars() {
    local named
    named="$(databases_named) $(printf 'jdbc:%s: ' $(split_at_commas "${RECSYS_DRIVERS-}"))"
    [[ $named != *jdbc:postgresql:* || $jars,$packages == *postgresql* ]] || add_driver "${postgresql_driver//:/ }"
    [[ $named != *jdbc:m* || $jars,$packages == *mariadb-java-client* ]] || add_driver "${mariadb_driver//:/ }"
}

databases_named() {
    local option takes_file=no
    for option in ${job_options[@]+"${job_options[@]}"}; do
        printf '%s\n' "$option" | grep -Eo 'jdbc:(postgresql|mariadb|mysql):' || true
        case $option in --config=*) option=${option#--config=} takes_file=yes ;; esac
        if [[ $takes_file == yes && -r $option ]]; then
            grep -Eho 'jdbc:(postgresql|mariadb|mysql):' "$option" || true
        fi
        takes_file=no
        [[ $option != --config ]] || takes_file=yes
    done
}

add_driver() { # "group module version"
    local group module version
    read -r group module version <<<"$1"
    if [[ ! -f $cache/jars/$module-$version.jar ]]; then
        lock
        if [[ ! -f $cache/jars/$module-$version.jar ]]; then
            progress "fetching the driver $module (once)"
            fetch_jars driver_jars "--jars names a local copy" "$group" "$version" "$module"
        fi
        unlock
    fi
    driver_jars=$(joined "$driver_jars" "$cache/jars/$module-$version.jar")
}

# ------------------------------------------------------------------------------------------------------- our package

package="" # the zip that executors import from

source="" # what it is made from

# The folder of the sources or, in a launcher that `make package` has made, the wheel beside this script.
find_package() {
    local wheels=("$project"/recsys_spark-*.whl)
    source=$project
    [[ ! -d $project/recsys_spark ]] || return 0
    source=${wheels[0]}
    [[ -f $source ]] || stop 1 failed package "neither recsys_spark/ nor a wheel of it lies beside spark-submit.sh" \
        "Unpack the launcher again, or take a checkout"
}

# Its name carries the sum of its files, so that a run keeps the very package it started with while the next one differs.
pack_package() {
    local sum
    find_package
    if [[ $source == *.whl ]]; then # from which Spark lets executors import if it is called a zip
        sum=$(cksum <"$source")
        package=$cache/recsys_spark-${sum// /-}.zip
        [[ -f $package ]] || { mkdir -p "$cache" && cp "$source" "$package.$$" && mv "$package.$$" "$package"; }
        return
    fi
    sum=$(cd "$project" && find recsys_spark -type f ! -name '*.pyc' | LC_ALL=C sort | tr '\n' '\0' | xargs -0 cksum | cksum)
    package=$cache/recsys_spark-${sum// /-}.zip
    [[ ! -f $package ]] || return 0
    mkdir -p "$cache"
    find "$cache" -maxdepth 1 -name 'recsys_spark-*.zip*' -mtime +7 -exec rm -f {} +
    "$python" -I - "$project" "$package.$$" <<'PYTHON'
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

project = Path(sys.argv[1])
files = (file for file in (project / "recsys_spark").rglob("*") if file.is_file() and file.suffix != ".pyc")
with ZipFile(sys.argv[2], "w") as package:
    for file in sorted(files):
        entry = ZipInfo(file.relative_to(project).as_posix(), date_time=(1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o644 << 16
        package.writestr(entry, file.read_bytes(), ZIP_DEFLATED)
PYTHON
    mv "$package.$$" "$package"
}

# ------------------------------------------------------------------------------------------------------ the hand-over

spark_home=""

find_spark() {
    local folder
    for folder in "${python%/bin/*}"/lib/python3*/site-packages/pyspark; do
        if [[ -x $folder/bin/spark-submit ]]; then
            spark_home=$folder
            return
        fi
    done
    spark_home=$("$python" -c 'from importlib.util import find_spec; print(*find_spec("pyspark").submodule_search_locations)' \
        2>/dev/null) ||
        stop 1 failed pyspark "'$python' has no pyspark" "Install the dependencies of pyproject.toml in its environment"
}

run_on_spark() {
    local submit=${RECSYS_SPARK_SUBMIT-} options=()
    if [[ -z $submit ]]; then
        find_spark
        submit=$spark_home/bin/spark-submit
        export SPARK_HOME=$spark_home
    fi
    # Executors elsewhere take their own Python from --conf spark.pyspark.python, which wins over these two.
    export PYSPARK_PYTHON=$python PYSPARK_DRIVER_PYTHON=$python
    if [[ $knows_logging == no && "${SPARK_SUBMIT_OPTS-} ${JAVA_TOOL_OPTIONS-}" != *log4j* ]]; then
        export SPARK_SUBMIT_OPTS="${SPARK_SUBMIT_OPTS-} -Dlog4j2.configurationFile=file:${project// /%20}/conf/log4j2.properties"
    fi
    if [[ -n $remote ]]; then
        # PySpark listens to the variable, and not to what spark-submit makes of --remote.
        export SPARK_REMOTE=$remote
    elif [[ $master == local* || $knows_master == no && -z ${SPARK_CONF_DIR-} ]]; then
        # Spark would look the machine's name up, which fails or misleads on laptops and in containers.
        export SPARK_LOCAL_IP=${SPARK_LOCAL_IP:-127.0.0.1}
        if [[ $knows_driver_memory == no && -z ${SPARK_DRIVER_MEMORY-} ]]; then
            options+=(--driver-memory "$local_driver_memory")
        fi
    fi
    # Spark would start a driver beside this script with the executors' Python, which lies where they unpack it.
    if [[ -n $executors_python && $knows_drivers_python == no && $deploy_mode == client ]]; then
        options+=(--conf "spark.pyspark.driver.python=$python")
    fi
    jars=$(joined "$(joined "$delta_jars" "$driver_jars")" "$jars")
    [[ -z $jars ]] || options+=(--jars "$jars")
    [[ -z $packages ]] || options+=(--packages "$packages")
    options+=(--py-files "$(joined "$package" "$py_files")")
    if [[ -f /dev/stderr && -d /proc/self/fd ]]; then
        # The driver opens the JVM's stderr once more (recsys_spark/streams.py); in a plain file two writers with an
        # offset each would overwrite each other, in a pipe they cannot.
        exec 2> >(trap '' HUP INT TERM && exec cat >&2)
    fi
    exec "$submit" "${options[@]}" ${spark_options[@]+"${spark_options[@]}"} \
        "$project/jobs/$job.py" ${job_options[@]+"${job_options[@]}"}
}

main() {
    # TensorFlow's notices are no news.
    export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-2}
    export NUMBA_CACHE_DIR=${NUMBA_CACHE_DIR:-$cache/numba}
    if [[ ${1-} == --setup ]]; then
        export RECSYS_EXTRAS=${2-${RECSYS_EXTRAS-}}
        find_java
        find_python
        find_delta_jars
        find_driver_jars
        return
    fi
    if [[ ${1-} == --setup-java ]]; then
        export RECSYS_EXTRAS=${RECSYS_EXTRAS-},java
        find_python
        setup_java
        return
    fi
    read_command_line "$@"
    if has_job_option --dry-run; then
        find_python
        find_package
        PYTHONPATH=$source${PYTHONPATH:+:$PYTHONPATH} exec "$python" "$project/jobs/$job.py" "${job_options[@]}"
    fi
    find_java
    find_python
    if [[ -z $remote ]]; then # else they are the server's
        find_delta_jars
        find_driver_jars
    fi
    pack_package
    run_on_spark
}

main "$@"
