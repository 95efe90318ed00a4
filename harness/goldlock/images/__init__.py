"""Images as files: what `docker save`, Podman and OCI tools write, and what `docker load` takes.

Archives are read where they lie: nothing is unpacked, no link in them is followed, and a layer is known by its
digest. What is read is checked: sizes and counts have limits, and every digest that is named is computed.
"""
