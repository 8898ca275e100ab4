#!/bin/sh
# A page that counts its visits in redis, and says which pod made it.
visits=$(printf 'INCR visits\r\n' | nc -w 5 "$REDIS_HOSTNAME" 6379 | tr -dc 0-9)
printf 'Content-Type: text/plain\r\n\r\nHello from %s, visit %s\n' "$(hostname)" "$visits"
