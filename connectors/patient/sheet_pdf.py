"""The recovery sheet on paper, for a patient without a device: her code, and how she withdraws or objects with it."""

from connectors.patient.tagged_pdf import Block, render
from consent.keys import RecoveryCode
from consent.words import place

_TITLE = ("Wiederherstellungsblatt", "Recovery sheet", "Ihr Blatt mit dem Code")
_KEEP = (
    (
        "Bewahren Sie dieses Blatt sicher auf und zeigen Sie es nur, wem Sie vertrauen: Wer es hat, kann Ihre Akte "
        "öffnen und für Sie handeln. Die Stelle, die es gedruckt hat, behält den Code nicht. Frühere Blätter gelten "
        "nicht mehr. Ohne das Blatt lässt sich die Akte nicht wieder öffnen."
    ),
    (
        "Keep this sheet safe and show it only to those whom you trust: whoever has it can open your record and act "
        "for you. The desk that printed it does not keep the code. Earlier sheets are void. Without the sheet the "
        "record cannot be opened again."
    ),
    (
        "Dieses Blatt ist wie ein Schlüssel.\nPassen Sie gut darauf auf.\nZeigen Sie es nur Menschen, denen Sie "
        "vertrauen.\nWer das Blatt hat, kann Ihre Daten sehen.\nAlte Blätter gelten nicht mehr.\nOhne das Blatt geht "
        "nichts mehr."
    ),
)
_ACCOUNT = ("Konto: {}", "Account: {}", "Ihr Konto: {}")
_CODE = ("Code:\n{}", "Code:\n{}", "Ihr Code:\n{}")
_NO = ("So widerrufen oder widersprechen Sie", "How to withdraw or object", "So sagen Sie Nein")
_DESK = (
    (
        "Mit diesem Blatt, an jedem Schalter, der Obhut anbietet. Sie müssen nichts begründen. Auch jemand, dem Sie "
        "das Blatt geben, kann das für Sie tun. Danach bekommen Sie ein neues Blatt."
    ),
    (
        "With this sheet, at any desk that offers Obhut. You need not give a reason. Somebody to whom you give the "
        "sheet can do it for you. You are given a new sheet afterwards."
    ),
    (
        "Gehen Sie zu einem Schalter von Obhut.\nNehmen Sie dieses Blatt mit.\nSagen Sie: Ich will das nicht mehr.\n"
        "Sie müssen nicht sagen, warum.\nOder geben Sie einem anderen Menschen das Blatt. Er macht das für Sie.\n"
        "Sie bekommen dann ein neues Blatt."
    ),
)
_DEVICE = (
    "Mit diesem Blatt auf einem Gerät, Ihrem eigenen oder dem einer Person Ihres Vertrauens: obhut patient recover",
    "With this sheet on a device, your own or that of a person whom you trust: obhut patient recover",
    "Oder mit einem Computer. Der Befehl heißt: obhut patient recover",
)
_LETTER = (
    "Mit einem Brief an die, denen Sie etwas erlaubt haben. Der Name steht auf dem Nachweis der Einwilligung.",
    "By a letter to those whom you have allowed something. The name is on the receipt of the consent.",
    "Oder schreiben Sie einen Brief.\nDer Name steht auf Ihrem Beleg.",
)
_WRONG = (
    "Steht auf einem Nachweis etwas, das Sie nicht unterschrieben haben, dann widersprechen Sie so bald wie möglich.",
    "If a receipt says something that you have not signed, object as soon as you can.",
    "Steht auf dem Beleg etwas Falsches?\nDann sagen Sie das bitte schnell.",
)


def sheet(account: str, code: RecoveryCode, language: str) -> bytes:
    """The sheet as a tagged PDF, in one of `consent.words.LANGUAGES`."""
    at = place(language)
    blocks = [
        Block("H1", _TITLE[at]),
        Block("P", _ACCOUNT[at].format(account)),
        Block("H2", _CODE[at].format(_in_two_lines(code))),
        Block("P", _KEEP[at]),
        Block("H2", _NO[at]),
        *(Block("P", way[at]) for way in (_DESK, _DEVICE, _LETTER, _WRONG)),
    ]
    return render(_TITLE[at], language.partition("-")[0], blocks)


def _in_two_lines(code: RecoveryCode) -> str:
    """Whole groups in each: they are typed from it."""
    groups = str(code).split("-")
    half = len(groups) // 2
    return "-".join(groups[:half]) + "\n" + "-".join(groups[half:])
