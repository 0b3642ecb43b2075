from __future__ import annotations

import pytest

from iaas.db import quotas as db

COMPUTE = {"instances", "cores", "ram", "key_pairs", "metadata_items", "server_groups", "server_group_members"}
NETWORK = {"floating_ips", "fixed_ips", "security_groups", "security_group_rules"}
FILES = {"injected_files", "injected_file_content_bytes", "injected_file_path_bytes"}


def path(api, end=""):
    return f"/os-quota-sets/{api.member.project_id}{end}"


def update(api, version=None, **limits):
    return api.request("PUT", path(api), {"quota_set": limits}, version, ctx=api.admin)


def use(api, **amounts):
    clients = api.clients
    clients.db.write(api.member, db.take, api.member.project_id, amounts, clients.settings.quota)


def quota_set(response):
    assert response.status_int == 200, response.text
    return response.json["quota_set"]


@pytest.mark.parametrize(
    ("version", "names"), [("2.35", COMPUTE | NETWORK | FILES), ("2.36", COMPUTE | FILES), ("2.57", COMPUTE)]
)
def test_words_are_lost_at_2_36_and_2_57(api, version, names):
    for end in ("", "/detail", "/defaults"):
        assert set(quota_set(api.request("GET", path(api, end), version=version))) == names | {"id"}
    assert set(quota_set(update(api, version, cores=1))) == names


def test_limits_start_as_configured_and_use_is_shown(api):
    assert quota_set(api.request("GET", path(api)))["cores"] == 20
    use(api, instances=2, cores=5)
    detail = quota_set(api.request("GET", path(api, "/detail")))
    assert detail["cores"] == {"limit": 20, "in_use": 5, "reserved": 0}
    assert detail["ram"] == {"limit": 51200, "in_use": 0, "reserved": 0}


def test_update_gives_the_project_limits_of_its_own(api):
    assert quota_set(update(api, cores="30", ram=-1))["cores"] == 30
    shown = quota_set(api.request("GET", path(api)))
    assert (shown["cores"], shown["ram"], shown["instances"]) == (30, -1, 10)
    assert quota_set(api.request("GET", path(api, "/defaults")))["cores"] == 20
    other = api.request("GET", f"/os-quota-sets/{api.other_project.project_id}", ctx=api.other_project)
    assert quota_set(other)["cores"] == 20


def test_delete_brings_the_defaults_back(api):
    use(api, cores=3)
    update(api, cores=30, injected_files=7)
    assert api.request("DELETE", path(api), ctx=api.admin).status_int == 202
    detail = quota_set(api.request("GET", path(api, "/detail")))
    assert detail["cores"] == {"limit": 20, "in_use": 3, "reserved": 0}
    assert detail["injected_files"]["limit"] == 0


def test_limit_below_use_needs_force_and_changes_nothing_else(api):
    use(api, cores=5)
    refused = update(api, ram=1, cores=4)
    assert refused.status_int == 400
    assert "cores" in refused.json["badRequest"]["message"]
    assert quota_set(api.request("GET", path(api)))["ram"] == 51200
    assert quota_set(update(api, cores=5))["cores"] == 5
    assert quota_set(update(api, cores=-1))["cores"] == -1
    assert quota_set(update(api, cores=4, force=True))["cores"] == 4


@pytest.mark.parametrize("limits", [{"cores": -2}, {"cores": "many"}, {"cores": 2**31}, {"colour": 1}, {"cores": None}])
def test_bad_limits_are_400(api, limits):
    assert update(api, **limits).status_int == 400


def test_gone_resources_are_400(api):
    assert update(api, "2.35", floating_ips=5).status_int == 200
    assert update(api, "2.36", floating_ips=5).status_int == 400
    assert update(api, "2.56", injected_files=5).status_int == 200
    assert update(api, "2.57", injected_files=5).status_int == 400


def test_only_admins_change_quotas_and_look_at_those_of_others(api):
    assert api.request("PUT", path(api), {"quota_set": {"cores": 1}}).status_int == 403
    assert api.request("DELETE", path(api)).status_int == 403
    assert api.request("GET", path(api), ctx=api.other_project).status_int == 403
    assert api.request("GET", path(api, "/detail"), ctx=api.other_project).status_int == 403
    assert api.request("GET", path(api), ctx=api.reader).status_int == 200
    foreign = f"/os-quota-sets/{api.other_project.project_id}"
    assert api.request("GET", foreign, ctx=api.admin).status_int == 200


def test_limits_of_single_users_are_refused(api):
    body = {"quota_set": {"cores": 1}}
    response = api.request("PUT", path(api, f"?user_id={api.member.user_id}"), body, ctx=api.admin)
    assert response.status_int == 400


# -- classes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("2.49", (COMPUTE | NETWORK | FILES) - {"server_groups", "server_group_members"}),
        ("2.50", COMPUTE | FILES),
        ("2.57", COMPUTE),
    ],
)
def test_words_of_classes_change_at_2_50_and_2_57(api, version, names):
    shown = api.request("GET", "/os-quota-class-sets/default", version=version, ctx=api.admin)
    assert set(shown.json["quota_class_set"]) == names | {"id"}
    body = {"quota_class_set": {"cores": 9}}
    changed = api.request("PUT", "/os-quota-class-sets/default", body, version, ctx=api.admin)
    assert set(changed.json["quota_class_set"]) == names


def test_changed_defaults_bind_all_projects_without_limits_of_their_own(api):
    use(api, cores=1)
    other = f"/os-quota-sets/{api.other_project.project_id}"
    api.request("PUT", other, {"quota_set": {"cores": 30}}, ctx=api.admin)
    body = {"quota_class_set": {"cores": 4, "instances": 1}}
    assert api.request("PUT", "/os-quota-class-sets/default", body, ctx=api.admin).status_int == 200
    assert quota_set(api.request("GET", path(api)))["cores"] == 4
    assert quota_set(api.request("GET", path(api, "/defaults")))["instances"] == 1
    assert quota_set(api.request("GET", other, ctx=api.admin))["cores"] == 30
    use(api, instances=1)  # a resource used for the first time
    with pytest.raises(db.errors.QuotaExceeded):
        use(api, instances=1)
    with pytest.raises(db.errors.QuotaExceeded):
        use(api, cores=4)
    api.request("DELETE", other, ctx=api.admin)
    assert quota_set(api.request("GET", other, ctx=api.admin))["cores"] == 4


def test_there_is_one_class_and_it_is_for_admins(api):
    body = {"quota_class_set": {"cores": 4}}
    assert api.request("PUT", "/os-quota-class-sets/gold", body, ctx=api.admin).status_int == 400
    assert api.request("PUT", "/os-quota-class-sets/default", body).status_int == 403
    assert api.request("GET", "/os-quota-class-sets/default").status_int == 403
