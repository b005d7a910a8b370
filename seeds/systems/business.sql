create table doanh_nghiep (
    ma_so text primary key,
    ten text not null,
    loai_hinh text not null,
    tinh text not null,
    xa text not null,
    nganh text not null,
    von_dieu_le bigint not null,
    ngay_cap date not null,
    trang_thai text not null,
    sua_luc timestamptz not null
);
alter table doanh_nghiep replica identity full;
create table nguoi_dai_dien (
    ma_dai_dien text primary key,
    ma_so text not null references doanh_nghiep,
    so_dinh_danh text not null,
    chuc_danh text not null,
    tu_ngay date not null,
    den_ngay date,
    sua_luc timestamptz not null
);
alter table nguoi_dai_dien replica identity full;
