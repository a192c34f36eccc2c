"""The operator's page of a hub that has peers."""

from html import unescape

from tests.hub.test_console import EN, figure, opened


def test_it_says_how_the_peers_are(both_hubs, clock):
    """When it was confirmed last, what waits for it, and that it is silent; refused requests by reason."""
    a, b = both_hubs.a, both_hubs.b
    both_hubs.pull(a).step(0)
    _, page = opened(a)
    assert b.domain in page.text
    assert EN["ill"] not in unescape(page.text)
    assert figure(page, EN["behind"]) == "0 s"
    assert figure(page, EN["forwards"]) == "0"
    clock.advance(3600)
    both_hubs.line.cut = True
    assert a.http.post("/v1/peer/feed", json={}).status_code == 401
    _, page = opened(a)
    assert EN["ill"] in unescape(page.text)
    assert figure(page, EN["behind"]) == "3,600 s"
    assert figure(page, "signature") == "1"
