"""The connector of the database of driving licences and vehicles."""
