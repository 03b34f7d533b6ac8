# needs: orderfsm[mock,client] pytest
"""A first test: code that calls the official SDK, against the mock. `pytest first_test.py` runs it."""

import sys

import pytest
from alibabacloud_cas20200407 import models
from alibabacloud_cas20200407.client import Client

from orderfsm.mock import Server


def give_up(client: Client, order_id: int) -> None:
    """The code under test, which knows nothing of orderfsm: it cancels what is under review, and deletes."""
    answer = client.describe_certificate_state(models.DescribeCertificateStateRequest(order_id=order_id))
    if answer.body.type in {"domain_verify", "process"}:
        client.cancel_order_request(models.CancelOrderRequestRequest(order_id=order_id))
    client.delete_certificate_request(models.DeleteCertificateRequestRequest(order_id=order_id))


@pytest.mark.parametrize("state", ["pending_review", "being_reviewed", "pending_application", "verify_fail"])
def test_an_order_that_is_given_up_holds_no_quota(mock_cas: Server, state: str) -> None:
    order = mock_cas.order(state)
    give_up(mock_cas.client(), int(order.id))
    assert mock_cas.orders() == []
    assert [package.used for package in mock_cas.packages()] == [0]


def test_an_issued_order_stays(mock_cas: Server) -> None:
    order = mock_cas.order("issued")
    with pytest.raises(Exception, match="OrderStateError"):
        give_up(mock_cas.client(), int(order.id))
    assert [each.state for each in mock_cas.orders()] == ["issued"]


if __name__ == "__main__":
    sys.exit(pytest.main(["-q", __file__]))
