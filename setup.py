"""Which folders the wheel is made of. Everything else about the package stands in pyproject.toml.

`jobs` and `conf` lie at the top of a checkout, where spark-submit.sh and people look for them. Those names belong to
nobody in an installation, so they go into the package there: `recsys_spark.jobs`, and `recsys_spark/conf` beside it.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["recsys_spark*"]), "recsys_spark.jobs", "recsys_spark.conf"],
    package_dir={"recsys_spark": "recsys_spark", "recsys_spark.jobs": "jobs", "recsys_spark.conf": "conf"},
)
