#!/bin/sh
# Replaces the database of SQLite by the backup in the file $1: what was
# stored since is lost. Stop the API and all else that writes first. As the user
# of the API.
# Guide: admin/capacity.
set -eu

database=${TELEMETRY_SQLITE:-/var/lib/telemetry/telemetry.sqlite}
cp "$1" "$database.restored"
# The write-ahead log belongs to the old file.
rm -f "$database-wal" "$database-shm"
# A new file in its place: whoever still has the old one open cannot write
# into this one.
mv "$database.restored" "$database"
