// Nothing: the server draws the pictures. The file that comes with the admin site is 69 KB compressed.
