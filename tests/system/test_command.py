import pytest

from siammae.system.command import without_password


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:pw@host:5432/db", "postgresql://me:***@host:5432/db"),
        (
            "hydra.sweeper.storage=mysql+pymysql://me:p@ss/w@host/db",
            "hydra.sweeper.storage=mysql+pymysql://me:***@host/db",
        ),
        ("url: 'https://a:b@c', other: 1", "url: 'https://a:***@c', other: 1"),
        ("a://u:p@h b://v:q@h", "a://u:***@h b://v:***@h"),
        ("redis://:pw@host", "redis://:***@host"),
        ("sqlite:///studies.db", "sqlite:///studies.db"),
        ("https://host:8080/path", "https://host:8080/path"),
        ("entity@project", "entity@project"),
    ],
)
def test_passwords_in_urls_are_not_shown(text, shown):
    assert without_password(text) == shown
    assert without_password(shown) == shown
