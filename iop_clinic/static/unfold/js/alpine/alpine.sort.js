// Nothing: no list is sorted by hand. The file that comes with the admin site is 13 KB compressed.
