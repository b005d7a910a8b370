-- The land registry's own tables. Its words and codes are the agency's; the connector translates them.
create table parcel (
    ma_thua    text primary key,                     -- geohash, 12 ký tự
    so_to      integer not null,
    so_thua    integer not null,
    tinh       text not null,
    xa         text not null,
    dien_tich  numeric(12, 1) not null,              -- m²
    muc_dich   text[] not null,                      -- ONT, ODT, LUC, HNK, CLN, RSX, NTS, TMD, TSC, CQP
    vi_do      double precision not null,
    kinh_do    double precision not null,
    quy_hoach  smallint not null,                    -- 0 giữ nguyên, 1 quy hoạch, 2 thông báo thu hồi, 3 đã thu hồi
    mat        boolean not null default false,       -- bí mật nhà nước: không bao giờ ra khỏi cơ quan
    sua_luc    timestamptz not null default now()
);
alter table parcel replica identity full;

create table land_right (
    ma_quyen        text primary key,
    ma_thua         text not null references parcel,
    so_dinh_danh    text not null,
    loai_quyen      text not null,                   -- SDD quyền sử dụng đất, SHN sở hữu nhà, TC thế chấp
    tu_so           integer not null,
    mau_so          integer not null,
    so_gcn          text not null,                   -- số phát hành giấy chứng nhận
    ngay_dang_ky    date not null,
    ngay_cham_dut   date,
    han_che         text[] not null default '{}',    -- TC thế chấp, TT tranh chấp, KB kê biên, CN cấm chuyển nhượng
    ben_nhan_tc     text,                            -- tổ chức tín dụng nhận thế chấp
    sua_luc         timestamptz not null default now()
);
alter table land_right replica identity full;
create index land_right_holder on land_right (so_dinh_danh);
create index land_right_parcel on land_right (ma_thua);
