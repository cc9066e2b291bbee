"""Amounts, and the currencies that they are in."""

from decimal import Decimal

import iso4217

MAX_AMOUNT = Decimal("99999999.99")
#: What the posting service can hold after the point.
POSTING_DECIMALS = 2

#: Currency code -> digits after the point that both the currency and the posting service allow.
DECIMALS = {
    currency.code: POSTING_DECIMALS if currency.exponent is None else min(currency.exponent, POSTING_DECIMALS)
    for currency in iso4217.Currency
}
_QUANTA = {code: Decimal(1).scaleb(-decimals) for code, decimals in DECIMALS.items()}


def rounded(amount: Decimal, currency: str) -> Decimal:
    return amount.quantize(_QUANTA[currency])
