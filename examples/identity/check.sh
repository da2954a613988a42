#!/bin/sh
# Asks the telemetry API in TELEMETRY_URL for its meters, first without a
# token, then with one of the user of the OS_* variables. Prints both answers.
set -eu
curl -sS -o /dev/null -w 'without a token: %{http_code}\n' \
    "$TELEMETRY_URL/v2/meters"
token=$(openstack token issue -f value -c id)
# On the standard input, so that nobody sees the token among the processes.
echo "X-Auth-Token: $token" |
    curl -sS -H @- -w '\nwith a token: %{http_code}\n' \
        "$TELEMETRY_URL/v2/meters"
