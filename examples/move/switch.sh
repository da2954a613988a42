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
# Its own workers: there may be those of another nginx, such as of a container.
main=$(systemctl show --property MainPID --value nginx)
before=$(pgrep --delimiter , --parent "$main")
systemctl reload nginx
while ps -p "$before" > /dev/null; do sleep 1; done
