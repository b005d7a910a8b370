"""Every sharing agreement of the pretended country, said a second time: by hand, from the registries' own rows.

Written by reading the agreements' text, and sharing no code with what compiles that text. An agreement that is missing
here makes the check fail: everything in its topic is then too much.
"""

from datetime import date

from seeds.reference import insurance, land, population, tax
from seeds.reference.agreement import Agreement

BANK, PORTAL, TAX, LAND = "commercial-bank", "public-service-portal", "tax-authority", "land-office"
STATISTICS, COMMUNE, SOCIAL = "statistics-office", "commune-committee", "social-security"

AGREEMENTS = (
    Agreement("coverage-to-portal", PORTAL, "coverage", insurance.to_portal, insurance.key, by_consent=True),
    Agreement(
        "coverage-to-statistics", STATISTICS, "coverage", insurance.to_statistics, insurance.hidden_key, hidden=True
    ),
    Agreement("coverage-to-tax", TAX, "coverage", insurance.to_tax, insurance.key, until=date(2035, 12, 31)),
    Agreement(
        "obligation-to-land-office",
        LAND,
        "obligation",
        tax.obligation_to_land_office,
        tax.obligation_key,
        until=date(2035, 12, 31),
    ),
    Agreement("parcel-to-tax", TAX, "parcel", land.parcel_to_tax, land.parcel_key),
    Agreement(
        "person-address-to-bank",
        BANK,
        "citizen",
        population.address_to_bank,
        population.key,
        by_consent=True,
        until=date(2034, 12, 31),
    ),
    Agreement(
        "person-address-to-tax",
        TAX,
        "citizen",
        population.address_to_tax,
        population.key,
        until=date(2035, 12, 31),
    ),
    Agreement("person-to-insurance", SOCIAL, "citizen", population.to_insurance, population.key, keeps=True),
    Agreement(
        "person-to-land-office",
        LAND,
        "citizen",
        population.to_land_office,
        population.key,
        until=date(2035, 12, 31),
    ),
    Agreement("person-to-portal", PORTAL, "citizen", population.to_portal, population.key, by_consent=True),
    Agreement(
        "person-to-statistics", STATISTICS, "citizen", population.to_statistics, population.hidden_key, hidden=True
    ),
    Agreement("person-to-tax", TAX, "citizen", population.to_tax, population.key, until=date(2035, 12, 31)),
    Agreement("residents-to-commune", COMMUNE, "citizen", population.to_commune, population.key),
    Agreement(
        "right-to-bank",
        BANK,
        "land_right",
        land.right_to_bank,
        land.right_key,
        by_consent=True,
        until=date(2034, 12, 31),
    ),
    Agreement("right-to-tax", TAX, "land_right", land.right_to_tax, land.right_key),
    Agreement(
        "taxpayer-to-portal",
        PORTAL,
        "taxpayer",
        tax.taxpayer_to_portal,
        tax.taxpayer_key,
        by_consent=True,
        until=date(2034, 12, 31),
    ),
)
