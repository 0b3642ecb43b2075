from __future__ import annotations


def test_extensions_are_listed_and_shown(api):
    listed = api.request("GET", "/extensions").json["extensions"]
    by_alias = {extension["alias"]: extension for extension in listed}
    assert {"os-keypairs", "os-flavor-access", "OS-EXT-STS"} <= by_alias.keys()
    assert api.request("GET", "/extensions/os-keypairs").json == {"extension": by_alias["os-keypairs"]}
    assert api.request("GET", "/extensions/os-baremetal-nodes").status_int == 404
