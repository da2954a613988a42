#!/bin/sh
# Replaces what is in MariaDB by the backup in the file $1: what was
# stored since is lost. Stop the API and all else that writes first. On a new
# server first make user and database with create.sql.
# Guide: admin/capacity.
set -eu

mariadb --user=root --default-character-set=utf8mb4 telemetry < "$1"
