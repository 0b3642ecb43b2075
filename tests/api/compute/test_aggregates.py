from __future__ import annotations


def test_there_are_no_aggregates_and_they_can_be_listed(api):
    assert api.request("GET", "/os-aggregates", version="2.96", ctx=api.admin).json == {"aggregates": []}
    assert api.request("GET", "/os-aggregates/1", ctx=api.admin).status_int == 404
    assert api.request("GET", "/os-aggregates").status_int == 403


def test_none_can_be_made_and_the_answer_says_so(api):
    body = {"aggregate": {"name": "rack-1", "availability_zone": None}}
    response = api.request("POST", "/os-aggregates", body, ctx=api.admin)
    assert response.status_int == 501
    assert "not implemented" in response.json["notImplemented"]["message"]
    assert api.request("POST", "/os-aggregates", {"aggregate": {}}, ctx=api.admin).status_int == 400
    assert api.request("POST", "/os-aggregates", body).status_int == 403
