#!/bin/sh
# Replaces what is in PostgreSQL by the backup in the file $1: what was
# stored since is lost. Stop the API and all else that writes first. On a new
# server first make user and database with create.sql.
# Guide: admin/capacity.
set -eu

# All or nothing: if anything fails, the tables stay as they were.
pg_restore --clean --if-exists --exit-on-error --single-transaction \
    --dbname=telemetry "$1"
# The planner's statistics are not in the backup.
psql --quiet --dbname=telemetry --command='ANALYZE'
