"""The Compute v2.1 edge: https://docs.openstack.org/api-ref/compute/"""
