-- The population registry's own table. Its words and codes are the agency's; the connector translates them.
create table citizen (
    so_dinh_danh        text primary key check (so_dinh_danh ~ '^[0-9]{12}$'),
    ho_ten              text not null,
    ngay_sinh           date not null,
    gioi_tinh           smallint not null,           -- 1 nam, 2 nữ
    quoc_tich           text not null,               -- ISO 3166-1: VN
    dan_toc             text,                        -- 01 Kinh, 02 Tày, …
    noi_dang_ky_ks      text not null,               -- mã tỉnh cũ, 3 chữ số
    thuong_tru_tinh     text,                        -- mã tỉnh từ 01/7/2025
    thuong_tru_xa       text,                        -- mã xã từ 01/7/2025
    thuong_tru_dia_chi  text,
    thuong_tru_tu       date,
    tam_tru_tinh        text,
    tam_tru_xa          text,
    tam_tru_dia_chi     text,
    tam_tru_tu          date,
    hon_nhan            smallint not null,           -- 0 chưa kết hôn, 1 có vợ/chồng, 2 góa, 3 ly hôn
    so_dinh_danh_cha    text,
    so_dinh_danh_me     text,
    so_dinh_danh_vc     text,                        -- vợ hoặc chồng
    so_dien_thoai       text,
    tinh_trang          smallint not null,           -- 1 đang sống, 2 đã chết, 3 mất tích, 4 định cư nước ngoài
    ngay_chet           date,
    muc_dinh_danh       smallint not null,           -- 0, 1, 2
    lan_sua             integer not null default 1,
    sua_luc             timestamptz not null default now()
);
alter table citizen replica identity full;
create index citizen_address on citizen (thuong_tru_xa, thuong_tru_dia_chi);
