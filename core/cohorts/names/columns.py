"""How tables spell their columns: Excel's, BIDS', OASIS' and ADNI's names for the same thing, the likeliest first."""

SUBJECT = (
    *("subject", "subject_id", "participant_id", "participant", "person", "person_id", "patient", "patient_id"),
    *("ptid", "rid", "sub", "id"),
)
SESSION = ("session", "session_id", "visit", "visit_id", "viscode", "timepoint")
PATH = ("path", "file", "filename", "file_name", "filepath", "file_path", "image", "scan", "slice_file")
LABEL = ("cdr", "diagnosis", "dx", "dx_bl", "group", "label", "class", "stage", "research_group")
OLDEST = 120.0  # years
AGE = ("age", "age_years", "age_in_years", "age_at_scan", "age_at_visit", "ptage", "ages")
BEST_MMSE = 30.0  # points of the Mini-Mental State Examination
MMSE = ("mmse", "mmscore", "mmse_total", "mini_mental")
SEX = ("sex", "gender", "m_f", "ptgender")
SITE = ("site", "site_id", "centre", "center", "scanner", "hospital")
