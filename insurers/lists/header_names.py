"""The names that French and English spreadsheets give to the columns that the portal reads.

Names are written in canonical words (`headers.py` brings a header to them: « N° adh. » is
`numero adherent`). Those of a field come in tiers: where a file has names of two tiers, the
first tier is the column; two names of one tier are a question for people.
"""

from insurers.lists.problems import Field

# Words that carry no meaning in a header, among them those that describe a date's format.
IGNORED = frozenset(
    (
        *("a", "au", "avec", "d", "de", "des", "du", "e", "en", "l", "la", "le", "les", "s"),
        *("of", "on", "the", "to", "with", "your"),
        *("aa", "aaaa", "dd", "ddmmyyyy", "jj", "jjmmaaaa", "mm", "yy", "yyyy"),
        *("facultatif", "format", "obligatoire", "optional", "required"),
    )
)

# Each canonical word, with how it is shortened or said otherwise.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "adherent": ("adh", "adher", "adherente", "adherents"),
    "adresse": ("address", "addresse", "adr", "adresses"),
    "assure": ("assuree", "assures", "insured"),
    "beneficiaire": ("benef", "beneficiary", "benefs"),
    "code": ("cod", "cde"),
    "complement": ("compl", "cplt", "complements"),
    "date": ("dat", "dt", "dte"),
    "electronique": ("elec", "elect", "electr", "electronic"),
    "identifiant": ("id", "ident", "identifier", "idt"),
    "langue": ("lang", "language"),
    "ligne": ("lig", "line"),
    "mail": ("courriel", "courriels", "email", "emails", "mails", "mel"),
    "matricule": ("mat", "matr"),
    "membre": ("member", "membres", "membership"),
    "mobile": ("cell", "cellular", "cellulaire", "gsm", "mob", "mobiles"),
    "naissance": ("nai", "nais", "naiss"),
    "ne": ("nee",),
    "numero": ("n", "no", "nr", "nro", "num", "number", "numeros"),
    "personne": ("person",),
    "personnel": ("perso", "personal", "personnelle", "prive"),
    "portable": ("port", "portables"),
    "prenom": ("pnom", "pren", "prenoms"),
    "professionnel": ("pro", "prof", "professionnelle", "work"),
    "pays": ("country",),
    "postal": ("postale",),
    "reference": ("ref",),
    "rue": ("street",),
    "securite": ("secu",),
    "societaire": ("soc",),
    "telephone": ("phone", "tel", "teleph", "telephones", "tph"),
    "usage": ("usuel", "usuelle"),
    "ville": ("city", "commune", "localite", "town"),
}

_PEOPLE = ("adherent", "assure", "beneficiaire", "membre", "personne")


def _of_people(*names: str) -> tuple[str, ...]:
    """Return the names alone, and said of the person (« nom de l’adhérent »)."""
    return (*names, *(f"{name} {person}" for name in names for person in _PEOPLE))


def _address_lines(number: int) -> tuple[str, ...]:
    names = ("adresse", "adresse postal", "ligne adresse", "rue", "voie")
    return tuple(f"{name} {number}" for name in names)


_MOBILE = ("mobile", "portable")

NAMES: dict[Field, tuple[tuple[str, ...], ...]] = {
    Field.MEMBER_NUMBER: (
        (
            *(
                f"{word} {person}"
                for word in ("numero", "identifiant", "code", "matricule", "reference")
                for person in (
                    *("adherent", "assure", "beneficiaire", "membre", "societaire"),
                    *("mutualiste", "affilie", "policyholder", "subscriber"),
                )
            ),
            "numero adhesion",
            "numero adherent mutuelle",
            "numero policy holder",
            "identifiant policy holder",
        ),
        ("adherent", "membre", "identifiant", "matricule", "numero", "reference"),
    ),
    Field.BIRTH_DATE: (
        (
            *_of_people("date naissance", "ne"),
            *("naissance", "jour naissance", "ddn", "datenaissance"),
            *("birth date", "birthdate", "dob", "birthday", "born", "birth date membre"),
        ),
    ),
    Field.BIRTH_RANK: (
        (
            *_of_people("rang", "rang naissance", "rang gemellaire"),
            *("rang gemellite", "code rang", "birth rank"),
        ),
    ),
    Field.EMAIL: (
        (
            *_of_people("mail", "adresse mail", "adresse electronique", "courrier electronique"),
            *("adresse messagerie", "boite mail", "mail contact", "mail principal"),
            *("mail personnel", "adresse mail personnel", "adresse mail contact"),
        ),
        ("mail professionnel", "adresse mail professionnel", "mail secondaire"),
    ),
    Field.PHONE: (
        (
            *_of_people(*_MOBILE, *(f"telephone {word}" for word in _MOBILE)),
            *(f"numero {word}" for word in _MOBILE),
            *(f"numero telephone {word}" for word in _MOBILE),
            *(f"{word} personnel" for word in _MOBILE),
            *(f"telephone {word} personnel" for word in _MOBILE),
            *("mobile contact", "mobile principal", "cellphone", "sms", "numero sms"),
        ),
        (
            *_of_people("telephone", "numero telephone"),
            *("telephone contact", "telephone personnel", "telephone principal"),
            *(f"{word} professionnel" for word in _MOBILE),
            *(f"telephone {word} professionnel" for word in _MOBILE),
        ),
    ),
    Field.LANGUAGE: (
        ("langue", "code langue", "langue contact", "langue correspondance", "preferred langue"),
    ),
    Field.FIRST_NAME: (
        (
            *_of_people("prenom", "prenom usage", "premier prenom", "first name"),
            *("firstname", "given name", "forename"),
        ),
    ),
    Field.LAST_NAME: (
        _of_people("nom usage"),
        (
            *_of_people("nom", "nom famille", "last name", "family name"),
            *("lastname", "surname"),
        ),
        (
            *_of_people("nom naissance", "nom patronymique", "nom jeune fille"),
            *("birth name", "maiden name", "nom marital"),
        ),
    ),
    Field.RELATIONSHIP: (
        (
            *(
                f"{word} {person}"
                for word in ("qualite", "type", "lien", "nature", "statut", "categorie")
                for person in ("adherent", "assure", "beneficiaire", "membre", "ayant droit")
            ),
            *("type population", "lien parente", "lien familial", "lien famille", "lien assure"),
            *("lien ouvrant droit", "lien souscripteur", "libelle qualite", "libelle lien"),
            *("qualite personne", "lien personne", "relationship", "relationship membre"),
            *("relationship assure", "relationship policyholder", "membre dependant"),
            *("adherent ayant droit", "assure ayant droit", "ouvrant droit ayant droit"),
            "type dependant",
        ),
        ("qualite", "lien", "parente", "relation", "relation adherent", "relation assure"),
        (
            *("code qualite", "code lien", "code parente", "code lien parente"),
            *("code qualite beneficiaire", "code type beneficiaire", "code relationship"),
        ),
    ),
    Field.ADDRESS_COMPLEMENT: (
        ("complement adresse", "adresse complement", "complement adresse 1"),
        ("complement", "residence batiment", "batiment"),
    ),
    Field.ADDRESS: (
        (*_address_lines(1), *("adresse rue", "numero et voie", "numero et rue", "libelle voie")),
        (
            *_of_people("adresse", "adresse postal"),
            *(
                "adresse domicile",
                "adresse correspondance",
                "adresse principale",
                "mailing adresse",
            ),
            *("rue", "voie"),
        ),
    ),
    Field.ADDRESS_2: (_address_lines(2),),
    Field.ADDRESS_3: (_address_lines(3),),
    Field.POSTCODE: (
        (
            *_of_people("code postal", "cp"),
            *("code postal adresse", "adresse cp", "postcode", "post code", "zip", "zip code"),
        ),
    ),
    Field.CITY: (
        (
            *_of_people("ville"),
            *("ville adresse", "libelle ville", "nom ville", "ville residence"),
            *("bureau distributeur", "ville domicile"),
        ),
    ),
    Field.COUNTRY: (
        ("pays", "pays adresse", "libelle pays", "nom pays", "pays residence"),
        ("code pays",),
    ),
    Field.NIR: (
        (
            *_of_people("nir", "numero nir", "numero securite sociale", "securite sociale"),
            *("nir ouvrant droit", "numero securite sociale ouvrant droit"),
            *("numero securite", "numero ss", "nss", "nni", "ins", "matricule ins"),
            *("numero insee", "insee", "numero inscription repertoire"),
            *("numero immatriculation", "social security numero", "ssn"),
        ),
    ),
}

# Words that other headers are made of: a header of such words only is no one's name.
_OTHER_WORDS = """
adhesion affilie agence an annee apporteur archive assurance banque batiment bic bis branche bureau
carte categorie centre cible cle client clients collectif collectivite commentaire commentaires
commune compagnie compl complement compte conjoint contact contrat contrats cp cote country
courtier creation csp debut deces depart departement dernier derniere destinataire division
domicile dossier droit droits echeance employeur enfant entree entreprise enseigne etage etat
etablissement exercice famille fichier filiale fin fixe foyer garantie garanties gestion
gestionnaire groupe iban indicateur individu individuel insee interlocuteur interne libelle lieu
ligne lien localite maj mise modification montant motif mutuelle nature nb niveau nombre note
observation observations option origine organisme ouvrant parente partenaire pays periode police
population position postal postale poste prestation prime produit profession projet qualite
radiation rattachement recherche regime region remarque reseau resiliation retour risque role rue
secteur section service sexe sinistre site situation societe sortie souscripteur source statut
statutaire suffixe suivi sys table tiers titre titulaire total tri type valeur validite version
ville voie zip zone city civilite civ company contract country customer end first gender given
group last line member name plan policy policyholder postcode start state status street surname
title
"""
OTHER_WORDS = frozenset(_OTHER_WORDS.split())
