"""What the pages say, in every language: before the button is pressed, and after."""

from dataclasses import dataclass

from include.services.links import Purpose


@dataclass(frozen=True)
class Words:
    """One purpose in one language."""

    heading: str
    text: str
    button: str
    done_heading: str
    done_text: str


WORDS: dict[str, dict[Purpose, Words]] = {
    "en": {
        "unsubscribe": Words(
            "Unsubscribe?",
            "We will send no more mail to this address.",
            "Unsubscribe",
            "You are unsubscribed",
            "No more mail will be sent to this address. You can close this page.",
        ),
        "cancel": Words(
            "Stop this alert?",
            "You will not be told when this item is back. Your other alerts stay.",
            "Stop this alert",
            "This alert has stopped",
            "You will not be told about this item. Your other alerts stay.",
        ),
        "confirm": Words(
            "Please confirm",
            "Do you want to be told when this item is back in stock?",
            "Yes, tell me",
            "Thank you",
            "We will tell you when it is back in stock.",
        ),
        "keep": Words(
            "Still interested?",
            "Do you still want to be told when this item is back in stock?",
            "Yes, keep my place",
            "Thank you",
            "Your answer is noted.",
        ),
        "unsubscribe_report": Words(
            "No more of these reports?",
            "You will no longer receive this report. Other reports are not affected.",
            "Stop this report",
            "Done",
            "This report is no longer sent to you. You can close this page.",
        ),
    },
    "de": {
        "unsubscribe": Words(
            "Abmelden?",
            "Wir schicken dann keine E-Mails mehr an diese Adresse.",
            "Abmelden",
            "Sie sind abgemeldet",
            "An diese Adresse gehen keine E-Mails mehr. Sie können diese Seite schließen.",
        ),
        "cancel": Words(
            "Diese Benachrichtigung beenden?",
            "Sie erfahren dann nicht, wenn dieser Artikel wieder da ist. Ihre anderen Benachrichtigungen bleiben.",
            "Benachrichtigung beenden",
            "Diese Benachrichtigung ist beendet",
            "Zu diesem Artikel erhalten Sie keine Nachricht mehr. Ihre anderen Benachrichtigungen bleiben.",
        ),
        "confirm": Words(
            "Bitte bestätigen",
            "Möchten Sie erfahren, wenn dieser Artikel wieder lieferbar ist?",
            "Ja, bitte",
            "Vielen Dank",
            "Wir schreiben Ihnen, sobald er wieder lieferbar ist.",
        ),
        "keep": Words(
            "Noch interessiert?",
            "Möchten Sie weiterhin erfahren, wenn dieser Artikel wieder lieferbar ist?",
            "Ja, Platz behalten",
            "Vielen Dank",
            "Ihre Antwort ist notiert.",
        ),
        "unsubscribe_report": Words(
            "Diesen Bericht abbestellen?",
            "Sie erhalten diesen Bericht dann nicht mehr. Andere Berichte bleiben.",
            "Bericht abbestellen",
            "Erledigt",
            "Dieser Bericht wird Ihnen nicht mehr geschickt. Sie können diese Seite schließen.",
        ),
    },
    "fr": {
        "unsubscribe": Words(
            "Se désabonner ?",
            "Nous n'enverrons plus d'e-mails à cette adresse.",
            "Se désabonner",
            "Vous êtes désabonné",
            "Plus aucun e-mail ne sera envoyé à cette adresse. Vous pouvez fermer cette page.",
        ),
        "cancel": Words(
            "Arrêter cette alerte ?",
            "Vous ne serez pas prévenu du retour de cet article. Vos autres alertes restent actives.",
            "Arrêter cette alerte",
            "Cette alerte est arrêtée",
            "Vous ne serez plus prévenu pour cet article. Vos autres alertes restent actives.",
        ),
        "confirm": Words(
            "Veuillez confirmer",
            "Voulez-vous être prévenu du retour en stock de cet article ?",
            "Oui, prévenez-moi",
            "Merci",
            "Nous vous préviendrons dès son retour en stock.",
        ),
        "keep": Words(
            "Toujours intéressé ?",
            "Voulez-vous toujours être prévenu du retour en stock de cet article ?",
            "Oui, gardez ma place",
            "Merci",
            "Votre réponse est enregistrée.",
        ),
        "unsubscribe_report": Words(
            "Ne plus recevoir ce rapport ?",
            "Vous ne recevrez plus ce rapport. Les autres rapports ne changent pas.",
            "Arrêter ce rapport",
            "C'est fait",
            "Ce rapport ne vous sera plus envoyé. Vous pouvez fermer cette page.",
        ),
    },
    "it": {
        "unsubscribe": Words(
            "Annullare l'iscrizione?",
            "Non invieremo più e-mail a questo indirizzo.",
            "Annulla l'iscrizione",
            "Iscrizione annullata",
            "A questo indirizzo non verranno più inviate e-mail. Puoi chiudere questa pagina.",
        ),
        "cancel": Words(
            "Fermare questo avviso?",
            "Non ti avviseremo quando questo articolo sarà di nuovo disponibile. Gli altri avvisi restano attivi.",
            "Ferma questo avviso",
            "Avviso fermato",
            "Non riceverai più avvisi per questo articolo. Gli altri avvisi restano attivi.",
        ),
        "confirm": Words(
            "Conferma, per favore",
            "Vuoi essere avvisato quando questo articolo sarà di nuovo disponibile?",
            "Sì, avvisatemi",
            "Grazie",
            "Ti avviseremo quando sarà di nuovo disponibile.",
        ),
        "keep": Words(
            "Ancora interessato?",
            "Vuoi ancora essere avvisato quando questo articolo sarà di nuovo disponibile?",
            "Sì, tenete il mio posto",
            "Grazie",
            "La tua risposta è registrata.",
        ),
        "unsubscribe_report": Words(
            "Non ricevere più questo rapporto?",
            "Non riceverai più questo rapporto. Gli altri rapporti restano.",
            "Interrompi il rapporto",
            "Fatto",
            "Questo rapporto non ti sarà più inviato. Puoi chiudere questa pagina.",
        ),
    },
}

INVALID = {
    "en": ("This link does not work", "Please copy it whole from the mail."),
    "de": ("Dieser Link funktioniert nicht", "Bitte kopieren Sie ihn vollständig aus der E-Mail."),
    "fr": ("Ce lien ne fonctionne pas", "Veuillez le copier en entier depuis l'e-mail."),
    "it": ("Questo link non funziona", "Copialo per intero dall'e-mail."),
}


ENDED = {
    "en": ("This alert has ended", "It was stopped, or its time ran out. You can ask again in the shop."),
    "de": (
        "Diese Benachrichtigung ist beendet",
        "Sie wurde gestoppt oder ist abgelaufen. Im Shop können Sie sich neu eintragen.",
    ),
    "fr": (
        "Cette alerte a pris fin",
        "Elle a été arrêtée ou a expiré. Vous pouvez la demander de nouveau dans la boutique.",
    ),
    "it": (
        "Questo avviso è terminato",
        "È stato interrotto o è scaduto. Puoi richiederlo di nuovo nel negozio.",
    ),
}


def choose_language(accept_language: str, otherwise: str) -> str:
    """The first language of the browser that has pages, else the shop's, else English."""
    for part in accept_language.split(",")[:20]:
        language = part.partition(";")[0].strip().lower()[:2]
        if language in WORDS:
            return language
    return otherwise[:2] if otherwise[:2] in WORDS else "en"
