"""The Block Storage v3 edge: https://docs.openstack.org/api-ref/block-storage/v3/"""
