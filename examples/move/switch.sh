# Lets nginx pass requests to the new host, or to the eventlet server again:
#   sh examples/move/switch.sh new
#   sh examples/move/switch.sh eventlet
# Returns when nginx has all answers to earlier requests: from then on the other
# server gets none.
set -eu
cd /etc/nginx
cp "telemetry-api-$1.backend" telemetry-api.backend
# Where this finds a fault, nginx goes on as before.
nginx -t -q
before=$(pgrep --delimiter , --full '^nginx: worker')
systemctl reload nginx
while ps -p "$before" > /dev/null; do sleep 1; done
