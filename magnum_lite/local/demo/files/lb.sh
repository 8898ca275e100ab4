#!/bin/sh
# One connection in on port 80, one out to some web.
exec nc "$(one-of web)" 5000
