"""The machine's own cloud: the parts of the Nova, Glance, Neutron and Cinder REST APIs that Heat,
the openstack client and this service's look-ups use, in one process behind keystonemiddleware.

Servers are systemd system containers on a dockerd, subnets its bridge networks, floating IPs DNAT
rules, volumes sparse files on loop devices. Views (``compute``, ``image``, ``network``,
``volume``) speak HTTP; ``servers``, ``networks``, ``volumes`` decide; ``engine`` and ``host`` are
the ports to what really exists, each with an in-memory twin in ``memory``.
"""
