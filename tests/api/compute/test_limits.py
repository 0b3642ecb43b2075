from __future__ import annotations

from iaas.db import quotas as db


def absolute(response):
    assert response.status_int == 200, response.text
    assert response.json["limits"]["rate"] == []
    return response.json["limits"]["absolute"]


def test_limits_show_what_may_be_used_and_what_is(api):
    clients = api.clients
    clients.db.write(api.member, db.take, api.member.project_id, {"ram": 512, "cores": 2}, clients.settings.quota)
    found = absolute(api.request("GET", "/limits?reserved=1"))
    assert (found["maxTotalCores"], found["totalCoresUsed"]) == (20, 2)
    assert (found["maxTotalRAMSize"], found["totalRAMUsed"]) == (51200, 512)
    assert (found["maxTotalInstances"], found["totalInstancesUsed"]) == (10, 0)
    assert found["maxTotalKeypairs"] == 100


def test_words_are_lost_at_2_36_and_2_39_and_2_57(api):
    words = {version: set(absolute(api.request("GET", "/limits", version=version)))
             for version in ("2.35", "2.36", "2.38", "2.39", "2.56", "2.57")}  # fmt: skip
    assert words["2.35"] - words["2.36"] == {
        "maxTotalFloatingIps", "maxSecurityGroups", "maxSecurityGroupRules", "totalFloatingIpsUsed",
        "totalSecurityGroupsUsed",
    }  # fmt: skip
    assert words["2.38"] - words["2.39"] == {"maxImageMeta"}
    assert words["2.56"] - words["2.57"] == {"maxPersonality", "maxPersonalitySize"}
    assert len(words["2.57"]) == 11


def test_limits_of_another_project_are_for_admins(api):
    query = f"/limits?tenant_id={api.other_project.project_id}"
    assert api.request("GET", query).status_int == 403
    clients = api.clients
    clients.db.write(api.other_project, db.take, api.other_project.project_id, {"cores": 7}, clients.settings.quota)
    assert absolute(api.request("GET", query, ctx=api.admin))["totalCoresUsed"] == 7
    assert absolute(api.request("GET", "/limits"))["totalCoresUsed"] == 0


def test_unknown_parameters_are_400_from_2_75(api):
    assert api.request("GET", "/limits?colour=red", version="2.74").status_int == 200
    assert api.request("GET", "/limits?colour=red", version="2.75").status_int == 400
