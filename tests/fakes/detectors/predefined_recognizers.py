"""As the real library names them. Text with “boom” in it breaks a recognizer, text with “sleepy” keeps it busy."""

import re
import time
from dataclasses import dataclass


@dataclass
class Span:
    start: int
    end: int


class _Recognizer:
    pattern = ""
    supported_entities = ("ANY",)

    def analyze(self, text: str, entities: object, nlp_artifacts: object) -> list[Span]:
        if "boom" in text:
            raise RuntimeError("a bug of the library's")
        if "sleepy" in text:
            time.sleep(0.05)
        return [Span(*found.span()) for found in re.finditer(self.pattern, text)]


class EmailRecognizer(_Recognizer):
    pattern = r"[\w.]+@[\w.]+\w"


class IbanRecognizer(_Recognizer):
    pattern = r"\b[A-Z]{2}\d{2}[ \d]{10,}\d\b"


class CreditCardRecognizer(_Recognizer):
    pattern = r"\b\d{16}\b"


class PhoneRecognizer(_Recognizer):
    pattern = r"\+\d[\d ]{7,}\d"


class IpRecognizer(_Recognizer):
    pattern = r"\b\d+\.\d+\.\d+\.\d+\b"
