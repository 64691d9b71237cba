"""An error that was raised stays as it is: who knows more of it raises a copy."""

from __future__ import annotations

from bridge.errors import RateLimited, SiteChanged
from bridge.sites.contract import LeftSite


def test_a_copy_says_more_and_leaves_the_error_as_it_was() -> None:
    error = SiteChanged("The button is gone.", param="messages", retry_after=3)
    copy = error.replace(message="The button is gone. See x.", sent=True, bundle="x")
    assert (type(copy), str(copy), copy.message) == (SiteChanged, "The button is gone. See x.", str(copy))
    assert (copy.sent, copy.bundle, copy.param, copy.retry_after) == (True, "x", "messages", 3)
    assert (str(error), error.message, error.sent, error.bundle) == ("The button is gone.", str(error), False, "")


def test_a_copy_keeps_what_is_not_given() -> None:
    error = RateLimited("Too often.", retry_after=17, sent=True)
    copy = error.replace()
    assert copy is not error
    assert (copy.message, copy.retry_after, copy.sent) == ("Too often.", 17, True)


def test_an_error_that_makes_its_message_itself_is_copied_with_it() -> None:
    error = LeftSite("https://elsewhere.example/login")
    copy = error.replace(sent=True)
    assert (copy.message, copy.url, copy.sent) == (error.message, error.url, True)
