-- The key of a device lives with all other keys in the kernel (access_key); this table keeps what a device is. A device
-- that was registered before gets its key by being registered again.
drop index snow_device_key;
alter table snow_device drop column key_hash;
alter table snow_device drop column revoked_at;
