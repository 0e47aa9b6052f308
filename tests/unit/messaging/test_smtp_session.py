import pytest

from include.errors import ConfigurationError
from include.messaging.senders.smtp import SmtpSender, SmtpSettings
from tests.fixtures.certificate import write_certificate
from tests.fixtures.smtp_server import HANG_UP, ScriptedSmtpServer
from tests.unit.messaging.test_smtp_sender import envelopes, kinds, sender_to

SECRET = "correct-horse"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return write_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_leaves_encrypted_and_logged_in(certificate, security):
    login = ("shop", SECRET)
    with ScriptedSmtpServer(
        certificate=certificate, is_tls_from_start=security == "tls", credentials=login
    ) as server:
        sender = sender_to(
            server, security=security, ca_file=str(certificate), username="shop", password=SECRET
        )
        assert kinds(sender.send(envelopes(3))) == ["sent"] * 3
        assert server.sessions[0].is_encrypted
        assert server.sessions[0].user == "shop"
        assert len(server.sessions) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_an_untrusted_certificate_gets_no_mail(certificate, security, pauses):
    with ScriptedSmtpServer(certificate=certificate, is_tls_from_start=security == "tls") as server:
        results = list(sender_to(server, pauses, security=security).send(envelopes(2)))
        assert kinds(results) == ["channel_refused"] * 2
        assert "certificate" in results[0][1].detail
        assert pauses == []
        assert server.mails == []


def test_a_certificate_for_another_host_gets_no_mail(tmp_path):
    other = write_certificate(tmp_path, "other.example")
    with ScriptedSmtpServer(certificate=other) as server:
        sender = sender_to(server, security="starttls", ca_file=str(other))
        assert kinds(sender.send(envelopes(1))) == ["channel_refused"]


def test_verification_can_be_switched_off_on_purpose(certificate):
    with ScriptedSmtpServer(certificate=certificate) as server:
        sender = sender_to(server, security="starttls", verify_certificate=False)
        assert kinds(sender.send(envelopes(1))) == ["sent"]
        assert server.sessions[0].is_encrypted


def test_a_server_without_starttls_gets_no_mail_in_clear_text():
    with ScriptedSmtpServer() as server:
        [(_, outcome)] = sender_to(server, security="starttls").send(envelopes(1))
        assert outcome.kind == "channel_refused"
        assert "STARTTLS" in outcome.detail
        assert "MAIL" not in server.sessions[0].verbs


def test_a_wrong_password_is_the_channels_fault_and_is_not_repeated(pauses):
    with ScriptedSmtpServer(credentials=("shop", SECRET)) as server:
        sender = sender_to(server, pauses, username="shop", password="wrong-horse")
        results = list(sender.send(envelopes(3)))
        assert kinds(results) == ["channel_refused"] * 3
        assert results[0][1].code == "535 5.7.8"
        assert not results[0][1].is_tried
        assert len(server.sessions) == 1
        assert "horse" not in results[0][1].detail


def test_a_login_that_fails_for_now_is_tried_again(pauses):
    with ScriptedSmtpServer(credentials=("shop", SECRET)) as server:
        server.script("AUTH", "454 4.7.0 temporary failure")
        sender = sender_to(server, pauses, username="shop", password=SECRET, reconnect_pauses=(3.0,))
        assert kinds(sender.send(envelopes(1))) == ["sent"]
        assert pauses == [3.0]


def test_a_server_without_login_is_the_channels_fault():
    with ScriptedSmtpServer() as server:
        sender = sender_to(server, username="shop", password=SECRET)
        assert kinds(sender.send(envelopes(1))) == ["channel_refused"]


@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "STARTTLS"])
def test_a_server_that_hangs_up_while_greeting_is_tried_again(certificate, step):
    with ScriptedSmtpServer(certificate=certificate) as server:
        server.script(step, HANG_UP, HANG_UP)  # smtplib says HELO on the same connection after a lost EHLO
        sender = sender_to(server, security="starttls", ca_file=str(certificate))
        assert kinds(sender.send(envelopes(1))) == ["sent"]


def test_a_repr_shows_no_password():
    settings = SmtpSettings("mail.example", 587, "starttls", "a@b.example", username="u", password=SECRET)
    assert SECRET not in repr(settings)
    assert SECRET not in repr(SmtpSender(settings))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"security": "ssl"}, ["'ssl'", "none, starttls, tls"]),
        ({"security": "none", "username": "shop"}, ["clear text", "starttls"]),
        ({"password": "geheim-für-alle"}, ["ASCII"]),
        ({"max_messages_per_connection": 0}, ["max_messages_per_connection is 0"]),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(changes, words):
    chosen = {"host": "mail.example", "port": 587, "security": "starttls", "from_address": "a@b.example"}
    with pytest.raises(ConfigurationError) as error:
        SmtpSettings(**{**chosen, **changes})
    for word in ["mail.example:587", *words]:
        assert word in str(error.value)
    assert "geheim" not in str(error.value)
