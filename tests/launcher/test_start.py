"""How `spark-submit.sh` starts Spark: nothing is downloaded and no Spark is started."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from recsys_spark.publishing.summary import Summary
from tests.launcher.project import Project, executable


class TestStart:
    def test_spark_gets_its_options_then_the_job_then_the_jobs_options(self, project: Project) -> None:
        started = project.start("--master", "yarn", "--verbose", "--conf", "a=b c", "nightly", "--set", "x=1 2")

        assert started.exit_code == 0, started.stderr
        job = started.lines.index(f"{project.folder}/jobs/nightly.py")
        assert started.lines[:job][-5:] == ["--master", "yarn", "--verbose", "--conf", "a=b c"]
        assert started.lines[job + 1 : job + 3] == ["--set", "x=1 2"]

    def test_the_working_directory_does_not_matter(self, project: Project, tmp_path: Path) -> None:
        link = tmp_path / "link"
        link.symlink_to(project.folder / "spark-submit.sh")
        done = subprocess.run([link, "train"], env=project.environment, cwd="/", capture_output=True, text=True)

        assert f"{project.folder}/jobs/train.py" in done.stdout.splitlines()

    def test_the_job_is_the_first_token_that_is_no_options_value(self, project: Project) -> None:
        started = project.start("--name", "train", "nightly", "train")

        assert f"{project.folder}/jobs/nightly.py" in started.lines
        assert f"{project.folder}/jobs/train.py" not in started.lines

    def test_jars_of_every_spelling_are_merged_with_deltas(self, project: Project) -> None:
        options = ["--jars", "a.jar,b.jar", "--jars=c.jar", "--conf", "spark.jars=d.jar"]
        started = project.start(*options, "nightly")

        delta = f"{project.folder}/delta-spark.jar,{project.folder}/delta-storage.jar"
        assert started.option("--jars") == f"{delta},a.jar,b.jar,c.jar,d.jar"
        assert "--conf" not in started.lines

    def test_packages_are_merged(self, project: Project) -> None:
        started = project.start("--packages", "a:b:1", "--packages=c:d:2", "nightly")

        assert started.option("--packages") == "a:b:1,c:d:2"

    @pytest.mark.parametrize("key", ["spark.hadoop.fs.s3a.secret.key", "fs.azure.account.key.me", "a.password"])
    def test_a_secret_on_the_command_line_is_passed_on_with_a_warning_that_does_not_repeat_it(
        self, project: Project, key: str
    ) -> None:
        started = project.start("--conf", f"{key}=canary", "nightly")

        assert f"{key}=canary" in started.lines
        assert f"the value of {key} stands in the list of processes" in started.stderr
        assert "canary" not in started.stderr

    def test_no_other_option_is_warned_of(self, project: Project) -> None:
        started = project.start("--conf", "spark.hadoop.fs.s3a.endpoint=secret", "--name", "password", "nightly")

        assert "list of processes" not in started.stderr

    def test_python_files_are_merged_with_our_package(self, project: Project) -> None:
        started = project.start("--py-files", "mine.py", "--conf", "spark.submit.pyFiles=yours.zip", "nightly")

        assert started.option("--py-files") == f"{project.packages()[0]},mine.py,yours.zip"

    def test_a_delta_that_the_user_brings_is_not_joined_by_ours(self, project: Project) -> None:
        started = project.start("--packages", "io.delta:delta-spark_4.2_2.13:4.4.0", "nightly", RECSYS_DELTA_JARS="")

        assert started.exit_code == 0, started.stderr
        assert "--jars" not in started.lines

    def test_driver_and_executors_use_the_python_of_the_environment(self, project: Project) -> None:
        started = project.start("nightly", PYSPARK_PYTHON="python2")

        assert started.environment("PYSPARK_PYTHON") == sys.executable
        assert started.environment("PYSPARK_DRIVER_PYTHON") == sys.executable

    def test_executors_with_a_python_of_their_own_leave_the_driver_its_own(self, project: Project) -> None:
        theirs = ("--conf", "spark.pyspark.python=./environment/bin/python")

        started = project.start(*theirs, "nightly")
        assert f"spark.pyspark.driver.python={sys.executable}" in started.lines

        on_the_cluster = project.start(*theirs, "--deploy-mode", "cluster", "nightly")
        given = project.start(*theirs, "--conf", "spark.pyspark.driver.python=mine", "nightly")
        for started in (on_the_cluster, given):
            assert f"spark.pyspark.driver.python={sys.executable}" not in started.lines

    @pytest.mark.parametrize(
        "options", [(), ("--master", "local[2]"), ("--conf", "spark.master=local-cluster[1,1,512]")]
    )
    def test_a_local_spark_gets_memory_and_the_loopback_address(self, project: Project, options: Sequence[str]) -> None:
        started = project.start(*options, "nightly")

        assert started.option("--driver-memory") == "2g"
        assert started.environment("SPARK_LOCAL_IP") == "127.0.0.1"

    @pytest.mark.parametrize("options", [("--master=yarn",), ("--properties-file", "mine.conf")])
    def test_a_cluster_keeps_its_own_memory_and_address(self, project: Project, options: Sequence[str]) -> None:
        started = project.start(*options, "nightly")

        assert "--driver-memory" not in started.lines
        assert started.environment("SPARK_LOCAL_IP") == ""

    @pytest.mark.parametrize("options", [("--driver-memory", "5g"), ("--conf", "spark.driver.memory=5g")])
    def test_memory_that_the_user_gives_stays(self, project: Project, options: Sequence[str]) -> None:
        started = project.start(*options, "nightly")

        assert "2g" not in started.lines
        assert set(options) <= set(started.lines)

    @pytest.mark.parametrize("option", ["--remote", "--conf"])
    def test_a_connect_server_is_named_to_pyspark_and_has_its_own_jars_and_memory(
        self, project: Project, option: str
    ) -> None:
        given = {"--remote": "sc://there:1", "--conf": "spark.remote=sc://there:1"}[option]

        for started in (project.start(option, given, "nightly"), project.start("nightly", SPARK_REMOTE="sc://there:1")):
            assert started.exit_code == 0, started.stderr
            assert started.environment("SPARK_REMOTE") == "sc://there:1"
            assert not {"--jars", "--driver-memory", option, given} & set(started.lines)
            assert started.environment("SPARK_LOCAL_IP") == ""

    def test_a_connect_servers_token_is_warned_of_and_not_repeated(self, project: Project) -> None:
        started = project.start("--remote", "sc://there:1/;token=canary", "nightly")

        assert started.environment("SPARK_REMOTE") == "sc://there:1/;token=canary"
        assert "export SPARK_REMOTE instead" in started.stderr
        assert "canary" not in started.stderr

    def test_our_logging_joins_the_users_java_options(self, project: Project) -> None:
        started = project.start("nightly", SPARK_SUBMIT_OPTS="-Da=b")

        configuration = f"{project.folder}/conf/log4j2.properties".replace(" ", "%20")
        assert started.environment("SPARK_SUBMIT_OPTS") == f"-Da=b -Dlog4j2.configurationFile=file:{configuration}"

    def test_logging_that_the_user_configures_stays(self, project: Project) -> None:
        by_option = project.start("--driver-java-options", "-Dlog4j2.configurationFile=my.xml", "nightly")
        by_variable = project.start("nightly", SPARK_SUBMIT_OPTS="-Dlog4j2.configurationFile=my.xml")

        assert by_option.environment("SPARK_SUBMIT_OPTS") == ""
        assert by_variable.environment("SPARK_SUBMIT_OPTS") == "-Dlog4j2.configurationFile=my.xml"

    def test_kernels_are_cached_in_the_project_unless_the_user_says_where(self, project: Project) -> None:
        assert project.start("nightly").environment("NUMBA_CACHE_DIR") == f"{project.folder}/.cache/numba"
        assert project.start("nightly", NUMBA_CACHE_DIR="/n").environment("NUMBA_CACHE_DIR") == "/n"

    def test_the_exit_code_is_that_of_spark(self, project: Project) -> None:
        executable(project.folder / "spark-submit-stub", "#!/bin/sh\nexit 3\n")

        assert project.start("nightly").exit_code == 3

    def test_a_warm_start_adds_at_most_three_tenths_of_a_second(self, project: Project) -> None:
        project.start("nightly")
        seconds = []
        for _ in range(5):
            begin = time.perf_counter()
            project.start("nightly")
            seconds.append(time.perf_counter() - begin)

        assert min(seconds) < 0.3


class TestUsage:
    @pytest.mark.parametrize("arguments", [(), ("--master", "local[1]"), ("--jars",), ("nigthly",), ("../jobs/train",)])
    def test_a_missing_or_unknown_job_is_answered_with_the_usage(
        self, project: Project, arguments: Sequence[str]
    ) -> None:
        started = project.start(*arguments)

        assert started.exit_code == 2
        assert "JOB is one of: nightly, train\n" in started.stderr
        assert len(started.lines) == 1
        assert started.summary["run_id"] is None
        assert started.summary["status"] == "invalid"
        assert started.summary["error"]["code"] == "usage"

    def test_the_summary_has_the_same_keys_as_that_of_a_job(self, project: Project) -> None:
        assert list(project.start("no-such-job").summary) == list(Summary().as_dict())

    def test_an_unknown_job_is_quoted_whatever_it_holds(self, project: Project) -> None:
        started = project.start('a"b\\c\nd\te')

        assert started.summary["error"]["message"] == "there is no job 'a\"b\\c d e'"

    @pytest.mark.parametrize("option", ["--dry-run", "--set", "--config=x.yaml", "--as-of"])
    def test_an_option_of_the_job_before_it_is_told_to_stand_after(self, project: Project, option: str) -> None:
        started = project.start(option, "nightly")

        assert started.exit_code == 2
        assert "stands before it. Write it after JOB." in started.stderr

    def test_help_goes_to_stdout_and_names_the_jobs(self, project: Project) -> None:
        started = project.start("--help")

        assert started.exit_code == 0
        assert "JOB is one of: nightly, train\n" in started.stdout


def test_a_log_file_holds_what_stood_on_stderr_in_its_order(project: Project, tmp_path: Path) -> None:
    executable(project.folder / "spark-submit-stub", "#!/bin/sh\necho from-spark >&2\necho '{}'\n")
    log = tmp_path / "log"
    with log.open("w") as stderr:
        done = subprocess.run(
            f"echo before >&2; {str(project.folder / 'spark-submit.sh')!r} nightly; echo after >&2; sleep 0.5",
            shell=True,
            env=dict(project.environment),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            check=True,
        )

    assert done.stdout == "{}\n"
    assert sorted(log.read_text().split()) == ["after", "before", "from-spark"]
