"""An analysis corrected by people, in the files of other tools."""
