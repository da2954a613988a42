#!/bin/sh
# Makes the telemetry API known to Keystone. Run it once, with the OS_*
# variables of an administrator; TELEMETRY_URL is the address that clients
# use, and TELEMETRY_PASSWORD the new password of the service's own user.
set -eu

# One openstack reads all commands, since each start takes seconds. Then its
# status is 1 whatever happened: look for messages between the tables.
openstack <<EOF || true
project create --or-show service
user create --or-show --project service --password "$TELEMETRY_PASSWORD" telemetry
role add --user telemetry --project service service
service create --name telemetry metering
endpoint create --region "$OS_REGION_NAME" metering public "$TELEMETRY_URL"
endpoint create --region "$OS_REGION_NAME" metering internal "$TELEMETRY_URL"
endpoint create --region "$OS_REGION_NAME" metering admin "$TELEMETRY_URL"
EOF

# The entry that clients find. This fails if it is not there.
openstack catalog show metering
