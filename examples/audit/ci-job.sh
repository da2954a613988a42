#!/bin/sh
# A CI job that fails when an entry point begins to monkey-patch.
#
# SERVICE   the distribution to examine
# PYTHON    the interpreter of the environment that it is installed in
# BASELINE  the committed report of what is known, if there is one
set -eu
: "${SERVICE:?name the distribution to examine}"
: "${PYTHON:=python3}"
: "${BASELINE:=eventlet-baseline.json}"

set -- --python "$PYTHON" "$SERVICE"
if [ -e "$BASELINE" ]; then
    set -- --baseline "$BASELINE" "$@"
fi

status=0
eventlet-audit --format sarif --output eventlet-audit.sarif "$@" || status=$?
if [ "$status" -ne 0 ]; then
    # For those who read the log: the same as a table, with the chains.
    eventlet-audit "$@" || true
fi
exit "$status"
