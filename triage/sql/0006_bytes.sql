-- Schema 6: small inputs and reports lie in the database.

-- The bytes, as they are; NULL: they lie in the file, or were dropped. Which is decided when they
-- come, by their number (STORE_ROW_BYTES_MAX): most crashes are further duplicates, whose bytes
-- go again, and a file for each costs more than all the rest of its way.
ALTER TABLE blob ADD COLUMN data BLOB CHECK (length(data) = bytes);
