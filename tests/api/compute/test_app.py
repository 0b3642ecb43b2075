from __future__ import annotations

from iaas.api.compute import app


def test_every_operation_has_a_declared_rule_and_a_summary(clients):
    served = app.app_factory({})
    for operation in served.operations + served.roots:
        if operation.policy != "public":
            clients.policy.require_rules([operation.policy])
        assert operation.summary.endswith("."), operation


def test_the_path_of_every_operation_is_told_to_tools():
    from iaas.api.compute import app as compute

    paths = {operation.path for resource in compute.resources() for operation in resource}
    assert {"/flavors", "/os-keypairs", "/os-services", "/limits"} <= paths
