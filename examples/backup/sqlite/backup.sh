#!/bin/sh
# Writes all samples in SQLite into the new file $1, while the API runs.
# As the user of the API: "runuser -u telemetry -- sh backup.sh FILE".
# Guide: admin/capacity.
set -eu

database=${TELEMETRY_SQLITE:-/var/lib/telemetry/telemetry.sqlite}
# One snapshot: what is stored meanwhile is not in it. A copy by cp would
# miss what is still in the write-ahead log.
sqlite3 "$database" "VACUUM INTO '$1'"
