-- Schema 2: what triage keeps beside 0001. One section for each room; the words are those of 0001.

-- --- severity: by hand, or by a rule of the owners ---

-- --- groups: pins, merges, splits ---

-- --- replays: how often, on which build ---
