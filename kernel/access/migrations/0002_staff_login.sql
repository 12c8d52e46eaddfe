create unique index access_staff_login on access_staff (login);
