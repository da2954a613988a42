#!/bin/sh
# Writes all samples in MariaDB into the file $1, while the API runs.
# As root, who is the administrator of the database.
# Guide: admin/capacity.
set -eu

# One snapshot, without a lock: what is stored meanwhile is not in it.
# utf8mb4 is all of Unicode.
mariadb-dump --user=root --single-transaction \
    --default-character-set=utf8mb4 --result-file="$1" telemetry
