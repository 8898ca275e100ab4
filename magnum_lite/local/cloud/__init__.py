"""The machine's own cloud: the parts of the Nova, Glance, Neutron, Cinder and Octavia REST APIs that Heat,
the openstack client and this service's look-ups use, in one process behind keystonemiddleware.

Servers are systemd system containers on a dockerd, subnets its bridge networks, floating IPs DNAT
rules, volumes sparse files on loop devices, load balancers containers with one program. Views (``compute``,
``image``, ``network``, ``volume``, ``load_balancer``) speak HTTP; ``servers``, ``networks``, ``volumes``,
``balancers`` decide; ``engine`` and ``host`` are
the ports to what really exists, each with an in-memory twin in ``memory``.
"""
