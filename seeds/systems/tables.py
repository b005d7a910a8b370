"""The two PostgreSQL registries: their tables, and how a country is copied into them."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from seeds.records import Parcel, Person, Right
from seeds.systems.codes import MARITAL, PERSON_STATUS, PLAN, PURPOSE, RESTRICTION, RIGHT_KIND, SEX

Connection = psycopg.Connection[Any]

CITIZEN_COLUMNS = (
    "so_dinh_danh", "ho_ten", "ngay_sinh", "gioi_tinh", "quoc_tich", "dan_toc", "noi_dang_ky_ks", "thuong_tru_tinh",
    "thuong_tru_xa", "thuong_tru_dia_chi", "thuong_tru_tu", "tam_tru_tinh", "tam_tru_xa", "tam_tru_dia_chi",
    "tam_tru_tu", "hon_nhan", "so_dinh_danh_cha", "so_dinh_danh_me", "so_dinh_danh_vc", "so_dien_thoai", "tinh_trang",
    "ngay_chet", "muc_dinh_danh", "lan_sua", "sua_luc",
)  # fmt: skip
PARCEL_COLUMNS = (
    "ma_thua", "so_to", "so_thua", "tinh", "xa", "dien_tich", "muc_dich", "vi_do", "kinh_do", "quy_hoach", "mat",
    "sua_luc",
)  # fmt: skip
RIGHT_COLUMNS = (
    "ma_quyen", "ma_thua", "so_dinh_danh", "loai_quyen", "tu_so", "mau_so", "so_gcn", "ngay_dang_ky", "ngay_cham_dut",
    "han_che", "ben_nhan_tc", "sua_luc",
)  # fmt: skip


def make_database(server: str, name: str) -> None:
    """Make an empty database unless it is there."""
    with psycopg.connect(server, autocommit=True) as connection:
        found = connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone()
        if found is None:
            connection.execute(
                sql.SQL("create database {} encoding 'UTF8' template template0").format(sql.Identifier(name))
            )


def drop_database(server: str, name: str) -> None:
    """Remove a database if it is there; its replication slots must be gone."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def made_from(connection: Connection) -> str | None:
    """What the database was filled from, or None while it is empty."""
    there = connection.execute("select to_regclass('public.made_from')").fetchone()
    if there is None or there[0] is None:
        return None
    row = connection.execute("select words from made_from").fetchone()
    return None if row is None else str(row[0])


def make_tables(connection: Connection, registry: str, words: str) -> None:
    """The registry's tables, and the note of what they are filled from; seen by others at the commit."""
    connection.execute((Path(__file__).parent / f"{registry}.sql").read_bytes())
    connection.execute("create table made_from (words text not null)")
    connection.execute("insert into made_from values (%s)", (words,))


def copy_rows(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """COPY rows into a table."""
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def citizen_row(person: Person) -> tuple[Any, ...]:
    """A person in the order of CITIZEN_COLUMNS."""
    home, away = person.residence, person.temporary_residence
    nowhere: tuple[str | date | None, ...] = (None, None, None, None)
    return (
        person.personal_id,
        person.full_name,
        person.birth_date,
        SEX[person.sex],
        person.nationality,
        person.ethnicity,
        person.birth_province,
        *((home.province, home.commune, home.address, home.since) if home else nowhere),
        *((away.province, away.commune, away.address, away.since) if away else nowhere),
        MARITAL[person.marital_status],
        person.father_id,
        person.mother_id,
        person.spouse_id,
        person.phone,
        PERSON_STATUS[person.status],
        person.death_date,
        person.eid_level,
        person.record_version,
        person.updated_at,
    )


def parcel_row(parcel: Parcel) -> tuple[Any, ...]:
    """A parcel in the order of PARCEL_COLUMNS."""
    return (
        parcel.parcel_code,
        parcel.map_sheet,
        parcel.parcel_number,
        parcel.province,
        parcel.commune,
        parcel.area_m2,
        [PURPOSE[purpose] for purpose in parcel.purposes],
        parcel.latitude,
        parcel.longitude,
        PLAN[parcel.plan_status],
        parcel.secret,
        parcel.updated_at,
    )


def right_row(right: Right) -> tuple[str | int | date | datetime | list[str] | None, ...]:
    """A right in the order of RIGHT_COLUMNS."""
    return (
        right.right_id,
        right.parcel_code,
        right.personal_id,
        RIGHT_KIND[right.kind],
        right.share_numerator,
        right.share_denominator,
        right.certificate_number,
        right.registered_on,
        right.ended_on,
        [RESTRICTION[limit] for limit in right.restrictions],
        right.mortgagee,
        right.updated_at,
    )
