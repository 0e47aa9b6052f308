import pytest

from include.errors import ConfigurationError
from include.messaging.render import TemplateError, TemplateLibrary, built_in_library, render_email
from tests.unit.messaging.alert import alert_context

LOCALES = ("de", "en", "fr", "it")


@pytest.fixture
def library(tmp_path):
    for part, text in {
        ".subject.txt": "Hello {{ name }}",
        ".txt": "Text for {{ name }}",
        ".html": "<p>{{ name }}</p>",
    }.items():
        write(tmp_path, f"en/note{part}", text)
    return TemplateLibrary([tmp_path])


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_the_built_in_alert_exists_in_every_language():
    assert built_in_library().list_templates()["back_in_stock"] == LOCALES


@pytest.mark.parametrize("locale", LOCALES)
def test_the_alert_says_what_where_and_how_to_stop(locale):
    mail = render_email("back_in_stock", locale, alert_context())
    assert "ELEGANT-LAMP" in mail.subject
    for text in (mail.text, mail.html):
        for part in (
            "Ann",
            "ELEGANT-LAMP",
            "49",
            "https://shop.example/lamp",
            "Nordlys",
            "/cancel/1",
            "/stop/1",
        ):
            assert part in text
    assert 'src="https://shop.example/lamp.jpg"' in mail.html
    assert f'<html lang="{locale}">' in mail.html


@pytest.mark.parametrize("locale", LOCALES)
def test_the_alert_is_whole_without_anything_optional(locale):
    mail = render_email(
        "back_in_stock", locale, {"item": {"title": "ELEGANT-LAMP"}, "shop": {"name": "Nordlys"}}
    )
    for text in (mail.subject, mail.text, mail.html):
        assert "ELEGANT-LAMP" in text
        assert "None" not in text
    for absent in ("<img", "<a ", "href"):
        assert absent not in mail.html
    assert " ," not in mail.text


@pytest.mark.parametrize(
    ("locale", "subject_start", "price"),
    [
        ("en", "Back in stock:", "€49.90"),
        ("fr", "De retour en stock :", "49,90\u00a0€"),
        ("fr-CA", "De retour en stock :", "49,90\u00a0€"),
        ("fr_CA", "De retour en stock :", "49,90\u00a0€"),
        ("de-CH", "Wieder auf Lager:", "EUR\u00a049.90"),
        ("FR", "De retour en stock :", "49,90\u00a0€"),
        ("fr-Atlantis", "De retour en stock :", "49,90\u00a0€"),
        ("it", "Di nuovo disponibile:", "49,90\u00a0€"),
        ("ja", "Back in stock:", "€49.90"),
        ("", "Back in stock:", "€49.90"),
        ("../../etc", "Back in stock:", "€49.90"),
    ],
)
def test_the_locale_falls_back_to_its_language_then_to_english(locale, subject_start, price):
    mail = render_email("back_in_stock", locale, alert_context())
    assert mail.subject.startswith(subject_start)
    assert price in mail.text


def test_html_is_escaped_and_text_is_not():
    context = alert_context(title='<b>Lamp</b> & "Shade"')
    mail = render_email("back_in_stock", "en", context)
    assert '<b>Lamp</b> & "Shade"' in mail.text
    assert '<b>Lamp</b> & "Shade"' in mail.subject
    assert "<b>Lamp" not in mail.html
    assert "&lt;b&gt;Lamp&lt;/b&gt; &amp; &#34;Shade&#34;" in mail.html


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", " JAVASCRIPT:alert(1)", "//evil.example"]
)
def test_a_link_that_is_no_web_page_is_left_out(link):
    mail = render_email("back_in_stock", "en", alert_context(url=link, image_url=link))
    assert link not in mail.html
    assert link not in mail.text
    assert 'href="https://shop.example"' in mail.html


@pytest.mark.parametrize("breaks", ["\r\n", "\n", "\r", "\x0b", "\x00", "\u2028", "\x85"])
def test_a_subject_is_one_line_whatever_the_title_holds(breaks):
    mail = render_email("back_in_stock", "en", alert_context(title=f"Lamp{breaks}Bcc: all@mail.example"))
    assert mail.subject == "Back in stock: Lamp Bcc: all@mail.example"


@pytest.mark.parametrize(
    ("price", "currency", "shown"),
    [
        ("49.9", "EUR", "€49.90"),
        ("1234.5", "USD", "$1,234.50"),
        ("1200", "JPY", "¥1,200"),
        ("49.90", "", "49.90"),
        ("49.90", "eur", "€49.90"),
        ("cheap", "EUR", ""),
        ("NaN", "EUR", ""),
        ("", "EUR", ""),
        (None, "EUR", ""),
    ],
)
def test_a_price_is_written_as_people_write_it(price, currency, shown, library, tmp_path):
    write(tmp_path, "en/note.txt", "[{{ amount|price(currency) }}]")
    assert library.render_email("note", "en", {"amount": price, "currency": currency}).text == f"[{shown}]"


def test_what_is_missing_renders_empty_at_any_depth(library, tmp_path):
    write(
        tmp_path,
        "en/note.txt",
        "[{{ a }}{{ a.b.c }}{{ name.first }}{{ nothing }}]{% for x in a.b %}x{% endfor %}",
    )
    assert library.render_email("note", "en", {"name": "Ann", "nothing": None}).text == "[]"


def test_a_key_wins_over_a_method(library, tmp_path):
    write(tmp_path, "en/note.txt", "{{ event.items|join(' ') }}")
    assert library.render_email("note", "en", {"event": {"items": ["lamp", "shade"]}}).text == "lamp shade"


def test_a_template_sees_no_python(library, tmp_path):
    write(tmp_path, "en/note.txt", "[{{ name.__class__.__mro__ }}]")
    assert library.render_email("note", "en", {"name": "Ann"}).text == "[]"
    write(tmp_path, "en/other.txt", "x")
    write(tmp_path, "en/other.subject.txt", "x")
    write(tmp_path, "en/other.html", "{% set _ = names.append('Eve') %}")
    names = ["Ann"]
    with pytest.raises(TemplateError, match=r"en/other\.html, line 1: SecurityError"):
        library.render_email("other", "en", {"names": names})
    assert names == ["Ann"]


def test_a_template_is_compiled_once(library, tmp_path):
    first = library.render_email("note", "en", {"name": "Ann"})
    write(tmp_path, "en/note.txt", "changed")
    assert library.render_email("note", "en", {"name": "Ann"}) == first
    assert TemplateLibrary([tmp_path]).render_email("note", "en", {}).text == "changed"


def test_an_own_folder_goes_before_the_built_in_one(tmp_path):
    write(tmp_path, "en/back_in_stock.subject.txt", "Our own words: {{ item.title }}")
    library = TemplateLibrary([tmp_path, *built_in_library().folders])
    mail = library.render_email("back_in_stock", "en", alert_context())
    assert mail.subject == "Our own words: ELEGANT-LAMP"
    assert "It's back in stock" in mail.html


def test_an_unknown_template_names_what_was_meant():
    with pytest.raises(
        ConfigurationError, match=r"'back_in_stok' does not exist.*Did you mean 'back_in_stock'"
    ):
        render_email("back_in_stok", "en", {})


def test_an_unknown_template_lists_what_there_is(library):
    with pytest.raises(TemplateError, match="There are: note"):
        library.require("zzz")


def test_a_missing_part_is_named(library, tmp_path):
    (tmp_path / "en/note.html").unlink()
    with pytest.raises(TemplateError, match=r"en/note\.html is missing; an e-mail needs NAME\.subject\.txt"):
        library.require("note")


def test_a_template_without_fallback_is_refused_for_other_languages(library, tmp_path):
    for part in (".subject.txt", ".txt", ".html"):
        write(tmp_path, f"fr/seul{part}", "bonjour")
    assert library.render_email("seul", "fr-BE", {}).text == "bonjour"
    with pytest.raises(TemplateError, match="exists in fr, but neither in 'de' nor in 'en'"):
        library.render_email("seul", "de", {})


def test_a_syntax_error_names_template_line_and_problem(library, tmp_path):
    write(tmp_path, "en/note.txt", "fine\nfine\n{% if %}\n")
    with pytest.raises(TemplateError, match=r"en/note\.txt, line 3: Expected an expression"):
        library.require("note")


def test_a_mistake_while_rendering_names_the_line_but_no_value(library, tmp_path):
    write(tmp_path, "en/note.html", "<p>\n{{ email|int(base='x') + email }}\n</p>")
    with pytest.raises(TemplateError) as error:
        library.render_email("note", "en", {"email": "ann@mail.example"})
    assert "Template en/note.html, line 2: TypeError in `{{ email|int" in str(error.value)
    assert "ann@" not in str(error.value)


def test_a_missing_include_is_named(library, tmp_path):
    write(tmp_path, "en/note.txt", "{% include 'layout/nowhere.txt' %}")
    with pytest.raises(TemplateError, match=r"'layout/nowhere\.txt', which does not exist"):
        library.render_email("note", "en", {})


def test_every_built_in_template_compiles():
    library = built_in_library()
    for name in library.list_templates():
        library.require(name)


@pytest.mark.parametrize("template", ["confirm_request", "keep_request"])
@pytest.mark.parametrize("locale", LOCALES)
def test_mails_about_a_request_carry_their_link_and_need_no_title(template, locale):
    context = alert_context(title=None) | {"action_url": "mailto:shop@shop.example?subject=confirm%20TOKEN"}
    mail = render_email(template, locale, context)
    assert "None" not in mail.subject + mail.text + mail.html
    for text in (mail.text, mail.html):
        assert "confirm%20TOKEN" in text and "/stop/1" in text
    assert ("/cancel/1" in mail.text) == (template == "keep_request")
    assert built_in_library().list_templates()[template] == LOCALES
