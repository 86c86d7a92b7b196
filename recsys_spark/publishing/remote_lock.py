"""Creating a file only if it does not exist, on the stores that Hadoop knows: HDFS, S3, Azure, Google.

HDFS has always promised it; S3 does since it knows conditional writes (Hadoop from 3.4.2 on,
`fs.s3a.create.conditional.enabled`). pyarrow cannot ask for it, so it is asked of the session's own file systems.
"""

from __future__ import annotations

import json
from typing import Any

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.sql import SparkSession

from recsys_spark.publishing.lock import CreateNew
from recsys_spark.storage import Folder

_EXISTS = ("FileAlreadyExistsException", "RemoteFileChangedException")
"""What the stores throw; S3 only when the file is closed."""


def create_by(spark: SparkSession) -> CreateNew:
    """`CreateNew` by the file systems of a session."""
    context = spark.sparkContext
    jvm, java = context._jvm, context._jsc
    assert jvm is not None

    def create(folder: Folder, name: str, value: dict[str, Any]) -> bool:
        path = jvm.org.apache.hadoop.fs.Path(f"{folder}/{name}")
        try:
            stream = path.getFileSystem(java.hadoopConfiguration()).create(path, False)
            stream.write(bytearray(json.dumps(value).encode()))
            stream.close()
        except Py4JJavaError as error:
            if any(name in str(error.java_exception) for name in _EXISTS):
                return False
            raise
        return True

    return create
