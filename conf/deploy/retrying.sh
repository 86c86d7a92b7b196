#!/usr/bin/env bash
# Runs a job, and again after a pause where that may help: after exit code 4 (another run holds the output) or 1
# (anything nobody foresaw), twice at most. For schedulers that know no exit codes, such as cron.
#
#   retrying.sh JOB [options]      RECSYS_RETRY_SECONDS=600 between two attempts
set -uo pipefail

home=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
pause=${RECSYS_RETRY_SECONDS:-600}
as_of=$(date -u +%F) # that of the first attempt, also after midnight; a later --as-of on the command line wins

job=$1
shift
for attempt in 1 2 3; do
    "$home/spark-submit.sh" "$job" --as-of "$as_of" "$@"
    code=$?
    case $code,$attempt in
        1,[12] | 4,[12]) sleep "$pause" ;;
        *) exit $code ;;
    esac
done
