#!/bin/sh
# One connection of the smallest redis: INCR of redis's inline protocol.
# mkdir is the lock: it succeeds for one caller only.
mkdir -p /tmp/data
while read -r command key; do
    key=$(printf %s "$key" | tr -dc A-Za-z0-9)
    if [ "$command" = INCR ] && [ -n "$key" ]; then
        until mkdir /tmp/data/lock 2>/dev/null; do usleep 10000; done
        value=$(($(cat "/tmp/data/$key" 2>/dev/null || echo 0) + 1))
        echo "$value" > "/tmp/data/$key"
        rmdir /tmp/data/lock
        printf ':%s\r\n' "$value"
    else
        printf -- '-ERR only INCR is known here\r\n'
    fi
done
