"""Vietnamese names, in Vietnamese order: family, middle, given. The weights follow what is commonly reported."""

from seeds.dice import Dice, Weighted

FAMILY = Weighted(
    [
        ("Nguyễn", 31.5), ("Trần", 10.9), ("Lê", 8.9), ("Phạm", 5.9), ("Huỳnh", 2.6), ("Hoàng", 2.4), ("Võ", 2.3),
        ("Vũ", 2.3), ("Phan", 2.8), ("Trương", 2.2), ("Bùi", 2.1), ("Đặng", 1.9), ("Đỗ", 1.9), ("Ngô", 1.7),
        ("Hồ", 1.5), ("Dương", 1.4), ("Đinh", 1.0), ("Đoàn", 0.9), ("Lâm", 0.9), ("Mai", 0.8), ("Trịnh", 0.8),
        ("Đào", 0.8), ("Cao", 0.7), ("Lý", 0.7), ("Hà", 0.7), ("Lưu", 0.6), ("Lương", 0.6), ("Thái", 0.5),
        ("Châu", 0.4), ("Tạ", 0.4), ("Phùng", 0.4), ("Tô", 0.4), ("Vương", 0.4), ("Văn", 0.3), ("Tăng", 0.3),
        ("Quách", 0.2), ("Lại", 0.2), ("Hứa", 0.2), ("Thạch", 0.2), ("Diệp", 0.2), ("Từ", 0.2), ("Chu", 0.3),
        ("Đàm", 0.2), ("Giang", 0.2), ("Nông", 0.3), ("Kiều", 0.2), ("La", 0.2), ("Vi", 0.2), ("Sầm", 0.1),
    ]
)  # fmt: skip

MIDDLE_MALE = Weighted(
    [
        ("Văn", 26), ("Minh", 8), ("Đức", 7), ("Hữu", 6), ("Quang", 6), ("Quốc", 6), ("Thanh", 5), ("Công", 4),
        ("Ngọc", 4), ("Xuân", 4), ("Đình", 4), ("Gia", 4), ("Hoàng", 4), ("Anh", 3), ("Tuấn", 3), ("Duy", 3),
        ("Trọng", 3), ("Viết", 2), ("Thành", 3), ("Nhật", 2), ("Bá", 1), ("Mạnh", 3), ("Tiến", 3), ("Bảo", 2),
    ]
)  # fmt: skip

MIDDLE_FEMALE = Weighted(
    [
        ("Thị", 34), ("Ngọc", 9), ("Thanh", 6), ("Thu", 6), ("Minh", 4), ("Kim", 5), ("Bích", 3), ("Hồng", 4),
        ("Phương", 4), ("Mỹ", 3), ("Thùy", 4), ("Khánh", 3), ("Quỳnh", 3), ("Bảo", 3), ("Thảo", 2), ("Hoài", 2),
        ("Xuân", 2), ("Diệu", 2), ("Tuyết", 2), ("Yến", 2), ("Tường", 1), ("Gia", 2),
    ]
)  # fmt: skip

GIVEN_MALE = Weighted(
    [
        ("Hùng", 5), ("Anh", 4), ("Tuấn", 5), ("Dũng", 5), ("Minh", 5), ("Nam", 4), ("Sơn", 4), ("Long", 4),
        ("Hải", 4), ("Huy", 4), ("Đức", 4), ("Thành", 4), ("Cường", 4), ("Khoa", 3), ("Phúc", 3), ("Quân", 3),
        ("Hiếu", 3), ("Trung", 3), ("Tùng", 3), ("Kiên", 2), ("Lâm", 2), ("Bình", 3), ("Tài", 2), ("Thắng", 3),
        ("Đạt", 3), ("Khang", 2), ("An", 2), ("Phong", 3), ("Toàn", 2), ("Vinh", 2), ("Nghĩa", 2), ("Tân", 1),
        ("Lộc", 2), ("Hưng", 3), ("Quý", 1), ("Thịnh", 2), ("Tiến", 2), ("Việt", 2), ("Hậu", 1), ("Nhân", 1),
    ]
)  # fmt: skip

GIVEN_FEMALE = Weighted(
    [
        ("Hương", 5), ("Lan", 4), ("Hoa", 4), ("Anh", 5), ("Linh", 5), ("Trang", 4), ("Hà", 4), ("Thảo", 4),
        ("Mai", 4), ("Nga", 3), ("Hằng", 4), ("Thủy", 4), ("Ngọc", 4), ("Phương", 4), ("Hồng", 3), ("Yến", 3),
        ("Nhung", 3), ("Vân", 3), ("Loan", 3), ("Dung", 3), ("Hạnh", 3), ("Tuyết", 2), ("Liên", 2), ("Nhi", 3),
        ("My", 2), ("Vy", 3), ("Trâm", 2), ("Châu", 2), ("Quyên", 2), ("Oanh", 2), ("Thơ", 1), ("Diễm", 1),
        ("Huyền", 3), ("Ánh", 2), ("Giang", 2), ("Hiền", 3), ("Kiều", 1), ("Bích", 1), ("Xuân", 1), ("Trinh", 2),
    ]
)  # fmt: skip

STREETS = (
    "Trần Hưng Đạo", "Lê Lợi", "Nguyễn Huệ", "Hai Bà Trưng", "Lý Thường Kiệt", "Quang Trung", "Lê Duẩn",
    "Nguyễn Trãi", "Phan Chu Trinh", "Phan Bội Châu", "Điện Biên Phủ", "Cách Mạng Tháng Tám", "Hùng Vương",
    "Nguyễn Văn Cừ", "Trường Chinh", "Võ Thị Sáu", "Ngô Quyền", "Bà Triệu", "Lê Hồng Phong", "Trần Phú",
)  # fmt: skip

COMPANY_WORDS = (
    "Bình Minh", "Hoa Sen", "Đại Phát", "Tân Tiến", "Phương Nam", "Thành Công", "Sao Mai", "Hòa Bình", "Đông Á",
    "Việt Thắng", "An Phú", "Trường Hải", "Kim Long", "Hồng Hà", "Minh Khai", "Nam Việt", "Phú Thịnh", "Tiên Phong",
)  # fmt: skip

COMPANY_TRADES = ("May mặc", "Xây dựng", "Thủy sản", "Vận tải", "Thương mại", "Cơ khí", "Nông sản", "Điện tử")

BANKS = ("Ngân hàng TMCP Sông Hồng", "Ngân hàng TMCP Cửu Long", "Quỹ tín dụng nhân dân Trường Sơn")
"""No bank of these names exists."""


def full_name(dice: Dice, family: str, *, female: bool) -> str:
    """A name of three words; about one in nine has a second middle word, as Nguyễn Thị Thu Hương."""
    middle = dice.draw(MIDDLE_FEMALE if female else MIDDLE_MALE)
    given = dice.draw(GIVEN_FEMALE if female else GIVEN_MALE)
    if dice.chance(0.11):
        second = dice.draw(MIDDLE_FEMALE if female else MIDDLE_MALE)
        if second not in {middle, given}:
            middle = f"{middle} {second}"
    return f"{family} {middle} {given}"
