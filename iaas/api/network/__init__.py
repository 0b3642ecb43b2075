"""The Network v2.0 edge: https://docs.openstack.org/api-ref/network/v2/"""
