#!/bin/sh
# Writes all samples in PostgreSQL into the file $1, while the API runs.
# As the administrator of the database, from a folder that this user can read:
# "runuser -u postgres -- sh backup.sh FILE".
# Guide: admin/capacity.
set -eu

# One snapshot: what is stored meanwhile is not in it. Format custom is
# compressed, and pg_restore checks it.
pg_dump --format=custom --file="$1" telemetry
